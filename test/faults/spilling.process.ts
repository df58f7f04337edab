/**
 * A producer and consumer to be killed: a queue in the file `argv[2]` that is bounded at 20 and spills into `argv[3]`. Prints
 * each acknowledged id and each handled one by one `write` call.
 */

import { writeSync } from 'node:fs'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const [, , main, spill] = process.argv
const queue = await LoadLevelingQueue.open(`sqlite:${main}`, {
  maxDepth: 20,
  overflow: { policy: 'spill', to: `sqlite:${spill}` },
})
const consumer = new LeveledConsumer(
  queue,
  ({ id }) => {
    writeSync(1, `done ${id}\n`)
  },
  { rate: { perSecond: 400, rampMs: 0 }, concurrency: 20, leaseMs: 2_000, retry: { maxAttempts: 100 } },
)
await consumer.start()
for (let burst = 0; ; burst++) {
  const tasks = Array.from({ length: 30 }, (_, n) => ({ type: 't', payload: n, id: `${process.pid}-${burst}-${n}` }))
  const acknowledge = async (task: (typeof tasks)[number]) => {
    const { id, spilled } = await queue.enqueue(task)
    writeSync(1, `${spilled ? 'spilled' : 'ack'} ${id}\n`)
  }
  await Promise.all(tasks.map(acknowledge))
}
