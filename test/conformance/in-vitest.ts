/** The conformance suite as tests of vitest. A backend's test file is a call of this. */

import { afterAll, beforeAll, describe, test } from 'vitest'
import { type ConformanceTarget, runCheck } from './target.ts'
import { TOPICS } from './topics.ts'

export interface TestedTarget extends ConformanceTarget {
  stop(): Promise<void>
}

/** @param start Makes the target ready, once for all checks. */
export function testConformance(backend: string, start: () => Promise<TestedTarget>): void {
  describe(`conformance of ${backend}`, () => {
    let target: TestedTarget
    beforeAll(async () => {
      target = await start()
    })
    afterAll(() => target?.stop())

    for (const topic of TOPICS) {
      describe(topic.name, () => {
        for (const check of topic.checks) {
          test(check.name, async ({ skip }) => {
            const reason = await runCheck(check, target)
            if (reason !== undefined) skip(reason)
          })
        }
      })
    }
  })
}
