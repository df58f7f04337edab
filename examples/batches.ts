/** A handler that takes several tasks in one call, such as a bulk insert, with an outcome for each. */

import { batch, dead, LeveledConsumer, LoadLevelingQueue } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')
await queue.enqueueMany([1, 2, 3, -4, 5, 6, 7].map((amount) => ({ type: 'entry', payload: { amount } })))

const stored: number[][] = []
const insert = batch(
  async (tasks) => {
    const amounts = tasks.map(({ payload }) => (payload as { readonly amount: number }).amount)
    stored.push(amounts.filter((amount) => amount > 0))
    return amounts.map((amount) => (amount > 0 ? undefined : dead(`${amount} is no amount`)))
  },
  { maxTasks: 5, maxWaitMs: 50 },
)
const consumer = new LeveledConsumer(queue, insert, { rate: { perSecond: 10 } })
let over = 0
const finished = new Promise<void>((resolve) => {
  const count = () => {
    over++
    if (over === 7) resolve()
  }
  consumer.on('completed', count)
  consumer.on('dead', count)
})
await consumer.start()
await finished
console.log('stored:', JSON.stringify(stored))
console.log('dead:', (await queue.depth()).dead)
await consumer.stop()
await queue.close()

// Prints:
// stored: [[1,2,3,5],[6,7]]
// dead: 1
