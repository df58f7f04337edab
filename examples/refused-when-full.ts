/** A bounded queue refuses, and says when to try again: from the rate at which it really drains. */

import { ForebayError, LoadLevelingQueue } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:', { maxDepth: 2 })
const results = await queue.enqueueMany([1, 2, 3].map((payload) => ({ type: 'charge', payload })))
console.log(results.map(({ status }) => status))

try {
  await queue.enqueue({ type: 'charge', payload: 4 })
} catch (error) {
  if (!(error instanceof ForebayError)) throw error
  console.log(error.code, error.status, error.retryAfterMs !== undefined)
}
await queue.close()

// Prints:
// [ 'accepted', 'accepted', 'refused' ]
// QUEUE_FULL 429 true
