/** Writes docs/backends.md from the backends' own declarations. `npm run docs:capabilities` */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capabilityDocs } from './capability-docs.ts'

writeFileSync(join(import.meta.dirname, '../docs/backends.md'), capabilityDocs())
