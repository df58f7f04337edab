/** What `forebay conform` does, once its flags are read. */

import { openBackend } from '../backends/open-backend.ts'
import { removeQueues } from '../backends/remove-queues.ts'
import { sleep, systemClock } from '../clock.ts'
import type { Check, ConformanceTarget, Topic } from '../conformance/target.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { systemRandom } from '../random.ts'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

export interface Suite {
  readonly topics: readonly Topic[]
  runCheck(check: Check, target: ConformanceTarget): Promise<string | undefined>
}

/**
 * @param suite Default: the one that every backend has to pass.
 * @throws ForebayError what keeps the backend from opening; NOT_CONFORMING if a check failed.
 */
export async function conform(url: string, topicName: string | undefined, suite?: Suite): Promise<void> {
  const { topics, runCheck } = suite ?? (await loadSuite())
  const chosen = topicName === undefined ? topics : topics.filter(({ name }) => name === topicName)
  if (chosen.length === 0) {
    const names = topics.map(({ name }) => name).join(', ')
    throw new ForebayError('INVALID_OPTION', `There is no topic "${topicName}"; there are: ${names}.`, {
      path: 'topic',
    })
  }
  const made = new Set<string>()
  const target: ConformanceTarget = {
    exactTime: false,
    open: (queue) => {
      made.add(queue)
      return openBackend(url, { queue, clock: systemClock, random: systemRandom })
    },
    elapse: (ms) => sleep(systemClock, ms),
  }
  // What keeps the backend from opening is told once, and not by every check.
  await (await target.open('conformance-probe')).close()
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  for (const topic of chosen) {
    process.stdout.write(`${topic.name}\n`)
    for (const check of topic.checks) await run(check, () => runCheck(check, target), counts)
  }
  const { passed, failed, skipped } = counts
  const left = await leave(url, [...made])
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped; ${left}\n`)
  if (failed > 0) {
    throw new ForebayError(
      'NOT_CONFORMING',
      `${failed} of ${passed + failed} checks failed; nothing else of the server was touched.`,
    )
  }
}

async function run(check: Check, work: () => Promise<string | undefined>, counts: Counts): Promise<void> {
  try {
    const reason = await work()
    if (reason === undefined) counts.passed++
    else counts.skipped++
    process.stdout.write(reason === undefined ? `  ok       ${check.name}\n` : `  skipped  ${check.name}: ${reason}\n`)
  } catch (thrown) {
    counts.failed++
    process.stdout.write(
      `  FAILED   ${check.name}\n           ${messageOf(thrown).split('\n').join('\n           ')}\n`,
    )
  }
}

/** Removes the queues that were made; says what became of them. */
async function leave(url: string, queues: readonly string[]): Promise<string> {
  const which = `its ${queues.length} queues, whose names begin with "conformance-",`
  try {
    return (await removeQueues(url, queues)) ? 'nothing is left of its queues' : `${which} were left there`
  } catch (thrown) {
    return `${which} are still there: ${messageOf(thrown)}`
  }
}

async function loadSuite(): Promise<Suite> {
  try {
    const [{ TOPICS }, { runCheck }] = await Promise.all([
      import('../conformance/topics.ts'),
      import('../conformance/target.ts'),
    ])
    return { topics: TOPICS, runCheck }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new ForebayError('MISSING_PACKAGE', 'forebay conform needs the package fast-check: npm install fast-check.', {
      cause,
    })
  }
}
