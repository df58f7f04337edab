/** docs/configuration.md names every field of the configuration, with the default that is in force, and no other. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import { fairShape, overflowShape } from '../../packages/forebay/src/gateway/admission-schema.ts'
import { adaptiveShape, sharedShape } from '../../packages/forebay/src/gateway/concurrency-schema.ts'
import {
  breakerShape,
  configShape,
  limitsShape,
  metricsShape,
  queueShape,
  recurringShape,
  retryShape,
  scheduleShape,
  targetShape,
} from '../../packages/forebay/src/gateway/config-schema.ts'
import { perKeyShape, rateShape } from '../../packages/forebay/src/gateway/rate-schema.ts'
import { scalingShape } from '../../packages/forebay/src/gateway/scaling-schema.ts'
import { ROOT } from '../run-tool.ts'

const page = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8')

test.each([
  ['The whole', configShape],
  ['A queue', queueShape],
  ['target', targetShape],
  ['rate', rateShape],
  ['fair', fairShape],
  ['overflow', overflowShape],
  ['adaptive', adaptiveShape],
  ['max and scope', sharedShape],
  ['perKey', perKeyShape],
  ['retry', retryShape],
  ['breaker', breakerShape],
  ['schedule', scheduleShape],
  ['scaling', scalingShape],
  ['recurring', recurringShape],
  ['metrics', metricsShape],
  ['limits', limitsShape],
] as const)('%s', (title, shape) => {
  const [, section = ''] = page.split(new RegExp(`^#+ ${title}$`, 'm'))
  const [table = ''] = section.split(/^#/m)
  const documented = Object.fromEntries(
    [...table.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, field, says]) => [field, says]),
  )
  expect(Object.keys(documented).sort()).toEqual(Object.keys(shape).sort())
  for (const [field, schema] of Object.entries<z.ZodType>(shape)) {
    const inForce = schema.safeParse(undefined)
    if (!inForce.success || typeof inForce.data === 'object' || inForce.data === undefined) continue
    expect(documented[field], field).toBe(`\`${inForce.data}\``)
  }
})
