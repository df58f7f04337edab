/** Several limits at once: so many requests and so many tokens, with what each task costs; and a correction afterwards. */

import { LeveledConsumer, LoadLevelingQueue } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')
await queue.enqueueMany([100, 20, 20, 20].map((tokens) => ({ type: 'complete', payload: { tokens }, cost: tokens })))

const starts: number[] = []
let finish = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
const consumer = new LeveledConsumer(
  queue,
  async (task, { charge }) => {
    starts.push(performance.now())
    // The answer of the first turned out to be longer than it was taken for.
    if (task.cost === 100) charge(50)
    if (starts.length === 4) finish()
  },
  { rate: { perSecond: 50, rampMs: 0, also: [{ perSecond: 1_000, counts: 'cost' }] }, concurrency: 4 },
)
await consumer.start()
await finished
const last = (starts.at(-1) ?? 0) - (starts[0] ?? 0)
// 100 + 20 + 20 tokens lie before the last start, and the 50 that were charged.
console.log('the last of four started after the time of 190 tokens:', last >= 185 && last < 400)
await consumer.stop()
await queue.close()

// Prints:
// the last of four started after the time of 190 tokens: true
