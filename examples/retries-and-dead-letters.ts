/** What fails runs again, with backoff; what can never succeed goes to the dead letters, and can be sent back from there. */

import { dead, LeveledConsumer, LoadLevelingQueue, retryIn } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')
let serviceIsUp = false

const consumer = new LeveledConsumer(
  queue,
  (task, { attempt }) => {
    if (task.type === 'unknown') return dead('no such customer')
    if (attempt === 1) return retryIn(10, 'the service asked for a moment')
    if (!serviceIsUp) throw new Error('503 from the service')
    return undefined
  },
  { retry: { maxAttempts: 3, baseMs: 1 } },
)
consumer.on('retried', ({ task, failure }) => console.log(task.id, 'attempt', failure.attempt, failure.message))
consumer.on('dead', ({ task, reason }) => console.log(task.id, 'dead:', reason))
const next = (event: 'dead' | 'completed') => new Promise<void>((resolve) => consumer.on(event, () => resolve()))

await consumer.start()
const refused = next('dead')
await queue.enqueue({ id: 'a', type: 'unknown', payload: null })
await refused
const exhausted = next('dead')
await queue.enqueue({ id: 'b', type: 'charge', payload: null })
await exhausted

const { items } = await queue.dead.list({ limit: 10 })
console.log(items.map(({ task, reason }) => `${task.id} ${reason}`))
serviceIsUp = true
const completed = next('completed')
await queue.dead.redrive(['b'])
await completed
console.log('dead letters left:', (await queue.depth()).dead)
await consumer.stop()
await queue.close()

// Prints:
// a dead: refused
// b attempt 1 the service asked for a moment
// b attempt 2 503 from the service
// b dead: attempts-exhausted
// [ 'a refused', 'b attempts-exhausted' ]
// b attempt 1 the service asked for a moment
// dead letters left: 1
