/**
 * A producer or consumer to be killed or stopped: `redis-worker.process.ts URL produce|consume|hold LEASE_MS`. It prints each thing that
 * it knows by one `write` call, and ends when its standard input does. One that holds takes one task, and settles it when it
 * is written to:
 *
 *     ack ID               a push was acknowledged
 *     grant ID TOKEN       a task was granted, and its effect takes place
 *     settled ID TOKEN     it was completed           stale ID TOKEN     its lease had been lost
 */

import { writeSync } from 'node:fs'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../packages/forebay/src/random.ts'

const [, , url = '', role = '', lease = '1000'] = process.argv
const random = Buffer.from(systemRandom.bytes(6)).toString('hex')

let ends = false
process.stdin.on('end', () => {
  ends = true
})
process.stdin.resume()

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** Whatever goes wrong, it is tried again: that is what is under test. */
async function always<Value>(act: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await act()
    } catch {
      await sleep(systemClock, 50)
    }
  }
}

const queue = await always(() => openRedis({ url, queue: 'faults', timeoutMs: 1_000 }))

async function produce(lane: number): Promise<void> {
  for (let count = 1; !ends; count++) {
    const id = `${random}-${lane}-${count}`
    const task = { id, type: 'charge', payload: JSON.stringify(id), priority: count % 2, delayMs: 0 }
    // Whether a push whose answer was lost is stored is not known: only what is acknowledged is said to be.
    const done = await queue.push([task]).catch(() => undefined)
    if (done) say(`ack ${id}`)
    await sleep(systemClock, 1)
  }
}

async function consume(): Promise<void> {
  while (!ends) {
    const claims = await always(() => queue.claim({ max: 5, leaseMs: Number(lease), waitMs: 200 }))
    for (const { id, token } of claims) say(`grant ${id} ${token}`)
    const settlements = claims.map((claim) => ({ claim, outcome: 'complete' }) as const)
    const results = await queue.settle(settlements).catch(() => [])
    results.forEach(({ status }, index) => say(`${status} ${claims[index]?.id} ${claims[index]?.token}`))
  }
}

async function hold(): Promise<void> {
  const [claim] = await queue.claim({ max: 1, leaseMs: Number(lease), waitMs: 60_000 })
  if (!claim) return
  say(`grant ${claim.id} ${claim.token}`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
  const [result] = await queue.settle([{ claim, outcome: 'complete' }])
  say(`${result?.status} ${claim.id} ${claim.token}`)
}

if (role === 'hold') await hold()
else if (role === 'produce') await Promise.all([0, 1, 2].map(produce))
else await Promise.all([0, 1].map(consume))
await queue.close()
process.exit()
