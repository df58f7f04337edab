/** Middleware stands round the handler: the first of `use` is the outermost. */

import {
  idempotency,
  LeveledConsumer,
  LoadLevelingQueue,
  logging,
  memoryCompletions,
  type Middleware,
  timeout,
  tracing,
} from 'forebay'

const queue = await LoadLevelingQueue.open('memory:', { name: 'orders' })

/** Any logger with info, warn and error will do, such as pino. Here the fields that differ from run to run are left out. */
const line = (level: string) => (fields: object, message: string) => {
  const { taskType, outcome, errorType } = fields as Record<string, unknown>
  console.log(level, { taskType, outcome, errorType }, message)
}
const logger = { info: line('info'), warn: line('warn'), error: line('error') }

/** One of your own: what it returns is the handler from then on. */
const inCapitals: Middleware = (next) => async (task, context) => {
  const returned = await next({ ...task, payload: String(task.payload).toUpperCase() }, context)
  return returned
}

const consumer = new LeveledConsumer(
  queue,
  async (task, { signal }) => {
    console.log('handler:', task.payload)
    if (task.type === 'slow')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))))
  },
  {
    // tracing() records nothing here: no OpenTelemetry SDK is registered.
    use: [tracing(), logging(logger), timeout({ slow: 50 }), idempotency(memoryCompletions()), inCapitals],
    retry: { maxAttempts: 1 },
  },
)
const over = (name: 'completed' | 'dead') => new Promise((resolve) => consumer.on(name, resolve))
const [completed, dead] = [over('completed'), over('dead')]

await consumer.start()
await queue.enqueue({ type: 'charge', payload: 'order 42' })
await completed
await queue.enqueue({ type: 'slow', payload: 'order 43' })
await dead
await consumer.stop()
await queue.close()

// Prints:
// handler: ORDER 42
// info { taskType: 'charge', outcome: 'completed', errorType: undefined } task completed
// handler: ORDER 43
// warn { taskType: 'slow', outcome: 'failed', errorType: 'TASK_TIMEOUT' } task failed: TASK_TIMEOUT
