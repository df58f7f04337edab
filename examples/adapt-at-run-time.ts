/** The limits change while it runs: here the downstream asks for less, and the rate follows. */

import { LeveledConsumer, LoadLevelingQueue, release } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')
let overloaded = true
const consumer = new LeveledConsumer(
  queue,
  () => {
    if (!overloaded) return undefined
    overloaded = false
    consumer.update({ rate: { perSecond: 20 } })
    // Not an attempt, and nothing else starts for 50 ms either.
    return release(50, { holdStarts: true })
  },
  { rate: { perSecond: 100, rampMs: 0 } },
)
consumer.on('held', ({ delayMs }) =>
  console.log('held for', delayMs, 'ms, then', consumer.limits.perSecond, 'per second'),
)
const completed = new Promise<number>((resolve) => consumer.on('completed', ({ task }) => resolve(task.attempts)))

await consumer.start()
await queue.enqueue({ type: 'charge', payload: 1 })
console.log('attempts:', await completed)

consumer.pause()
await queue.enqueue({ type: 'charge', payload: 2 })
console.log(consumer.state, 'with', (await queue.depth()).ready, 'waiting')
await consumer.stop()
await queue.close()

// Prints:
// held for 50 ms, then 20 per second
// attempts: 1
// paused with 1 waiting
