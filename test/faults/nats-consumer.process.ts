/**
 * A consumer to be killed: claims from the server at port `argv[2]` with leases of `argv[3]` ms, works for up to
 * `argv[5]` ms, and completes or retries, by the chance of seed `argv[4]`. It writes what it does before anybody can kill it in between:
 *
 *     grant ID TOKEN ATTEMPTS ASKED AT ENDS    by the boot's clock
 *     settling ID TOKEN OUTCOME
 *     settle ID TOKEN OUTCOME STATUS
 */

import { writeSync } from 'node:fs'
import { type NatsQueueService, openNats } from '../../packages/forebay/src/backends/nats/nats-queue-service.ts'
import type { Claim } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

const [port = 0, leaseMs = 0, seed = 0, workMs = 0] = process.argv.slice(2).map(Number)
const random = seededRandom(seed)

/** The server may be away just now. */
async function open(): Promise<NatsQueueService> {
  for (;;) {
    try {
      return await openNats({ servers: [`127.0.0.1:${port}`], queue: 'orders', timeoutMs: 1_000 })
    } catch {
      await sleep(systemClock, 50)
    }
  }
}

const queue = await open()
writeSync(1, 'open\n')

async function work(claim: Claim, askedAt: number, endsAt: number): Promise<void> {
  const { id, token, task } = claim
  writeSync(1, `grant ${id} ${token} ${task.attempts} ${askedAt} ${systemClock.monotonic()} ${endsAt}\n`)
  await sleep(systemClock, (0.5 + random.next() / 2) * workMs)
  const retried = task.attempts < 3 && random.next() < 0.2
  const failure = { attempt: task.attempts, at: 0, code: 'Error', message: 'once more' }
  const delayMs = Math.floor(random.next() * 2) * 50
  const how = retried ? ({ outcome: 'retry', delayMs, failure } as const) : ({ outcome: 'complete' } as const)
  writeSync(1, `settling ${id} ${token} ${how.outcome}\n`)
  const [result] = await queue.settle([{ claim, ...how }])
  writeSync(1, `settle ${id} ${token} ${how.outcome} ${result?.status}\n`)
}

for (;;) {
  try {
    const askedAt = systemClock.monotonic()
    const claims = await queue.claim({ max: 4, leaseMs, waitMs: 1_000 })
    // The grants were made a moment before: this end is later than theirs.
    const endsAt = systemClock.monotonic() + leaseMs
    await Promise.all(claims.map((claim) => work(claim, askedAt, endsAt)))
  } catch {
    await sleep(systemClock, 50)
  }
}
