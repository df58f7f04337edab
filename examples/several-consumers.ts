/** Several consumers share one queue: each task runs in one of them. */

import { LeveledConsumer, LoadLevelingQueue } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')
await queue.enqueueMany(Array.from({ length: 30 }, (_, payload) => ({ type: 'resize', payload })))

const done = new Map<unknown, number>()
let finish = () => {}
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
const consumers = Array.from({ length: 3 }, () => {
  return new LeveledConsumer(
    queue,
    async (task) => {
      done.set(task.payload, (done.get(task.payload) ?? 0) + 1)
      if (done.size === 30) finish()
    },
    { concurrency: 2 },
  )
})
await Promise.all(consumers.map((consumer) => consumer.start()))
await finished
console.log('tasks:', done.size, 'most runs of one:', Math.max(...done.values()))
await Promise.all(consumers.map((consumer) => consumer.stop()))
await queue.close()

// Prints:
// tasks: 30 most runs of one: 1
