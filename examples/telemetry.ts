/** What is counted and measured of a queue and its consumers, as Prometheus scrapes it. */

import { createTelemetry, LeveledConsumer, LoadLevelingQueue } from 'forebay'

const telemetry = createTelemetry()
const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', telemetry })
const consumer = new LeveledConsumer(queue, async () => undefined, { concurrency: 4 })

await queue.enqueueMany(Array.from({ length: 30 }, (_, payload) => ({ type: 'charge', payload })))
const finished = new Promise<void>((resolve) => {
  let left = 30
  consumer.on('completed', () => (--left === 0 ? resolve() : undefined))
})
await consumer.start()
await finished

// A server would answer GET /metrics with this; `forebay serve` does.
const { contentType, text } = await telemetry.prometheus()
console.log(contentType)
for (const line of text.split('\n')) {
  if (/^forebay_tasks_(accepted|completed)|^messaging_process_duration_seconds_count/.test(line)) console.log(line)
}
await consumer.stop()
await queue.close()
telemetry.close()

// Prints:
// text/plain; version=0.0.4; charset=utf-8
// forebay_tasks_accepted_total{queue="orders",type="charge"} 30
// forebay_tasks_completed_total{queue="orders",type="charge"} 30
// messaging_process_duration_seconds_count{queue="orders",type="charge",outcome="completed"} 30
