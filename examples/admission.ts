/**
 * What a bounded queue does with what does not fit: producers wait, or it spills into a second queue; and when a task is
 * likely to start, which also decides whether one that is in a hurry is taken at all.
 */

import { type ForebayError, LeveledConsumer, LoadLevelingQueue, VirtualClock } from 'forebay'

const orders = [1, 2, 3, 4, 5].map((payload) => ({ type: 'charge', payload }))

// Producers wait for room, first come, first served.
const waiting = await LoadLevelingQueue.open('memory:', {
  maxDepth: 2,
  overflow: { policy: 'wait', deadlineMs: 5_000 },
})
const consumer = new LeveledConsumer(waiting, () => undefined, { rate: { perSecond: 200 } })
await consumer.start()
const results = await waiting.enqueueMany(orders)
console.log(results.map(({ status }) => status).join(' '), waiting.counts.waited, 'waited')
await consumer.stop()
await waiting.close()

// What does not fit lies in a second queue, on another backend, until there is room.
const overflow = { policy: 'spill', to: 'memory:' } as const
const spilling = await LoadLevelingQueue.open('memory:', { maxDepth: 2, overflow })
await spilling.enqueueMany(orders)
console.log((await spilling.depth()).ready, 'queued and', (await spilling.spilled())?.ready, 'spilled')
const charged: unknown[] = []
const worker = new LeveledConsumer(spilling, ({ payload }) => void charged.push(payload), { rate: { perSecond: 200 } })
const allCharged = new Promise<void>((resolve) => worker.on('completed', () => charged.length === 5 && resolve()))
await worker.start()
await allCharged
console.log(charged.join(' '), 'charged,', spilling.counts.returned, 'of them back from the spill')
await worker.stop()
await spilling.close()

// When it is likely to start, and what would be too late for its own deadline. (Time stands still here, for exact figures.)
const clock = new VirtualClock()
const dated = await LoadLevelingQueue.open('memory:', { expectedPerSecond: 10, shedLate: true, clock })
await dated.enqueueMany(orders)
console.log((await dated.enqueue({ type: 'charge', payload: 6 }, { estimate: true })).estimate)
const hurry = await dated.enqueue({ type: 'charge', payload: 7, ttlMs: 100 }).catch((error: ForebayError) => error)
console.log('code' in hurry && hurry.code, 'retryAfterMs' in hurry && hurry.retryAfterMs)
await dated.close()

// Prints:
// accepted accepted accepted accepted accepted 3 waited
// 2 queued and 3 spilled
// 1 2 3 4 5 charged, 3 of them back from the spill
// { startsInMs: 550, position: 5, perSecond: 10 }
// TOO_LATE 1000
