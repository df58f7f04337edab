/**
 * A consumer to be killed. Prints `grant ID TOKEN ATTEMPTS PAYLOAD`, `completing ID TOKEN` before it completes a task, and what
 * became of that after it: `done`, `stale` or `failed`. Some tasks are retried first, some released. Ends when its standard
 * input does.
 */

import { writeSync } from 'node:fs'
import type { Claim, Settlement } from '../../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../../packages/forebay/src/random.ts'
import { openAgain } from './open-again.ts'

const [, , url = '', queue = ''] = process.argv
let isOver = false
const stop = new AbortController()
process.stdin.on('end', () => {
  isOver = true
  stop.abort()
})
process.stdin.resume()

const service = await openAgain(url, queue)

function settlementOf(claim: Claim): Settlement {
  const chance = systemRandom.next()
  const delayMs = Math.floor(systemRandom.next() * 1_500)
  if (chance < 0.1 && claim.task.attempts < 5) {
    const failure = { attempt: claim.task.attempts, at: 0, code: 'Error', message: 'again' }
    return { claim, outcome: 'retry', delayMs, failure }
  }
  return chance < 0.15 ? { claim, outcome: 'release', delayMs: 0 } : { claim, outcome: 'complete' }
}

async function handle(claim: Claim): Promise<void> {
  await sleep(systemClock, systemRandom.next() * 20)
  const settlement = settlementOf(claim)
  if (settlement.outcome === 'complete') writeSync(1, `completing ${claim.id} ${claim.token}\n`)
  const [result] = await service.settle([settlement])
  const became = result?.status === 'settled' ? 'done' : result?.status
  if (settlement.outcome === 'complete') writeSync(1, `${became} ${claim.id} ${claim.token}\n`)
}

async function consume(): Promise<void> {
  while (!isOver) {
    try {
      const claims = await service.claim({ max: 5, leaseMs: 5_000, waitMs: 2_000, signal: stop.signal })
      for (const { id, token, task } of claims) writeSync(1, `grant ${id} ${token} ${task.attempts} ${task.payload}\n`)
      await Promise.all(claims.map(handle))
    } catch {
      await sleep(systemClock, 200)
    }
  }
}

await Promise.all([consume(), consume()])
await service.close()
