/** The conformance suite as tests of vitest. A backend's test file is a call of this. */

import { afterAll, beforeAll, describe, test } from 'vitest'
import { type ConformanceTarget, runCheck } from '../../packages/forebay/src/conformance/target.ts'
import { TOPICS } from '../../packages/forebay/src/conformance/topics.ts'

export interface TestedTarget extends ConformanceTarget {
  stop(): Promise<void>
}

export interface HowTested {
  /** Why it can't be tested here; then every check is skipped, and says so. */
  readonly impossible?: string | undefined
  /** Whether several checks run at a time: for an engine in real time, where most of a check is waiting. */
  readonly concurrent?: boolean
}

/** @param start Makes the target ready, once for all checks. */
export function testConformance(
  backend: string,
  start: () => Promise<TestedTarget>,
  { impossible, concurrent = false }: HowTested = {},
): void {
  describe(`conformance of ${backend}`, { concurrent }, () => {
    let target: TestedTarget
    beforeAll(async () => {
      if (impossible === undefined) target = await start()
    })
    afterAll(() => target?.stop())

    for (const topic of TOPICS) {
      describe(topic.name, () => {
        for (const check of topic.checks) {
          test(check.name, async ({ skip }) => {
            const reason = impossible ?? (await runCheck(check, target))
            if (reason !== undefined) skip(reason)
          })
        }
      })
    }
  })
}
