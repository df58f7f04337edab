/** The library in ten lines: a burst goes in, a level flow comes out. */

import { LeveledConsumer, LoadLevelingQueue } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', maxDepth: 10_000 })
const begun = performance.now()
await queue.enqueueMany(Array.from({ length: 20 }, (_, order) => ({ type: 'charge', payload: { order } })))
console.log('waiting:', (await queue.depth()).ready)

const consumer = new LeveledConsumer(
  queue,
  async (task) => {
    if (task.payload !== null) charged++
    if (charged === 20) finish()
  },
  { rate: { perSecond: 50, rampMs: 0 }, concurrency: 8 },
)
let charged = 0
let finish = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
await consumer.start()
await finished
console.log('charged:', charged)
// The first starts at once, and 19 more at one in 20 ms.
console.log('at a level rate:', performance.now() - begun >= 19 * 20)
await consumer.stop()
await queue.close()

// Prints:
// waiting: 20
// charged: 20
// at a level rate: true
