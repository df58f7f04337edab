/** Writes docs/metrics.md from the registry's own declarations. `npm run docs:metrics` */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricDocs } from './metric-docs.ts'

writeFileSync(join(import.meta.dirname, '../docs/metrics.md'), metricDocs())
