/**
 * A producer and consumer to be killed or stopped: `argv[2]` is the URL, `argv[3]` the mode. Each event is one line on standard
 * output, written by one call, with the time of the machine's monotonic clock:
 *
 *     push ID         about to push        ack ID             it was accepted
 *     grant ID TOKEN  it was granted       settle ID TOKEN    about to complete it       settled ID TOKEN STATUS
 *
 * `work`: pushes and completes without end. `hold`: claims one task for a second, and completes it when a line comes in.
 */

import { writeSync } from 'node:fs'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import type { QueueService } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'

const [, , url = '', mode = 'work'] = process.argv

function tell(event: string): void {
  writeSync(1, `${systemClock.monotonic()} ${event}\n`)
}

async function opened(): Promise<QueueService> {
  for (;;) {
    try {
      return await openPostgres({ url, timeoutMs: 2_000 })
    } catch {
      await sleep(systemClock, 50)
    }
  }
}

/** Does it again and again; what fails is tried anew a little later, as a consumer does. */
async function forever(work: () => Promise<void>): Promise<never> {
  for (;;) await work().catch(() => sleep(systemClock, 20))
}

const queue = await opened()
let count = 0

async function produce(): Promise<void> {
  const size = 1 + (count % 4)
  const ids = Array.from({ length: size }, () => `${process.pid}-${++count}`)
  for (const id of ids) tell(`push ${id}`)
  const results = await queue.push(
    ids.map((id) => ({ id, type: 'charge', payload: JSON.stringify(id.repeat(20)), priority: 0, delayMs: 0 })),
  )
  for (const { status, ...result } of results) if (status === 'accepted' && 'id' in result) tell(`ack ${result.id}`)
  await sleep(systemClock, 2)
}

async function consume(): Promise<void> {
  const claims = await queue.claim({ max: 5, leaseMs: 1_500, waitMs: 1_000 })
  for (const { id, token } of claims) tell(`grant ${id} ${token}`)
  for (const { id, token } of claims) tell(`settle ${id} ${token}`)
  const results = await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  for (const [index, { id, token }] of claims.entries()) tell(`settled ${id} ${token} ${results[index]?.status}`)
}

if (mode === 'work') {
  await Promise.all([forever(produce), forever(produce), forever(consume), forever(consume)])
} else {
  const [claim] = await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 10_000 })
  if (!claim) throw new Error('there was no task')
  tell(`grant ${claim.id} ${claim.token}`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
  const [extended] = await queue.extend([claim], 60_000)
  const [settled] = await queue.settle([{ claim, outcome: 'complete' }])
  tell(`settled ${claim.id} ${claim.token} ${extended?.status} ${settled?.status}`)
  process.exit(0)
}
