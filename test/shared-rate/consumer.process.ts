/**
 * A consumer in a process of its own: `node consumer.process.ts URL RATE`. Prints the time of each start, by
 * the boot's clock, and at its end how many reservations a second it made.
 */

import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const [, , url = '', perSecond] = process.argv
const queue = await LoadLevelingQueue.open(url)
let reservations = 0
const { shared } = queue.service
if (shared) {
  const apply = shared.apply.bind(shared)
  shared.apply = (cell, step) => {
    reservations++
    return apply(cell, step)
  }
}
const consumer = new LeveledConsumer(
  queue,
  () => {
    process.stdout.write(`${systemClock.monotonic()}\n`)
  },
  { rate: { perSecond: Number(perSecond), rampMs: 0 }, concurrency: 500 },
)
process.on('SIGTERM', async () => {
  await consumer.stop()
  await queue.close()
  process.stdout.write(`reservations ${(reservations * 1_000) / (systemClock.monotonic() - began)}\n`)
})
const began = systemClock.monotonic()
await consumer.start()
