/** Task types with schemas: producers and handlers are typed by them, and bad input is refused at the door. */

import { ForebayError, LeveledConsumer, LoadLevelingQueue } from 'forebay'
import { z } from 'zod'

const queue = await LoadLevelingQueue.open('memory:', {
  tasks: {
    charge: z.object({ order: z.number().int(), currency: z.enum(['EUR', 'USD']).default('EUR') }),
    remind: z.object({ at: z.iso.date().transform((text) => new Date(text)) }),
  },
})

await queue.enqueue({ type: 'charge', payload: { order: 42 } })
await queue.enqueue({ type: 'remind', payload: { at: '2026-05-01' } })
try {
  await queue.enqueue({ type: 'charge', payload: { order: 4.2 } })
} catch (error) {
  if (error instanceof ForebayError) console.log(error.code, 'at', error.path)
}

const consumer = new LeveledConsumer(queue, (task) => {
  // `task.type` tells TypeScript what `task.payload` is, with the schema's defaults and transformations applied.
  if (task.type === 'charge') console.log('charge', task.payload.order, task.payload.currency)
  else console.log('remind in', task.payload.at.getUTCFullYear())
})
const both = new Promise<void>((resolve) => {
  let completed = 0
  consumer.on('completed', () => ++completed === 2 && resolve())
})
await consumer.start()
await both
await consumer.stop()
await queue.close()

// Prints:
// INVALID_PAYLOAD at payload.order
// charge 42 EUR
// remind in 2026
