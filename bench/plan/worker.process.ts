/**
 * One worker of the benchmark: takes tasks off the queue at the queue's rate and posts them to the sink.
 *
 *     node bench/plan/worker.process.ts STORAGE RATE CONCURRENCY SINK_URL
 */

import { Pool } from 'undici'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const [, , storage = '', rate = '', concurrency = '', sink = ''] = process.argv
const queue = await LoadLevelingQueue.open(storage)
const pool = new Pool(sink, { connections: Number(concurrency) })
const consumer = new LeveledConsumer(
  queue,
  async (task, { signal }) => {
    const response = await pool.request({ path: '/', method: 'POST', body: JSON.stringify(task.payload), signal })
    await response.body.dump()
  },
  { rate: { perSecond: Number(rate), rampMs: 0 }, concurrency: Number(concurrency) },
)
await consumer.start()
process.send?.('ready')
process.once('SIGTERM', async () => {
  await consumer.stop({ graceMs: 1_000 })
  await queue.close()
  await pool.destroy()
  process.disconnect()
})
