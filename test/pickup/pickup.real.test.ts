import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { percentile } from '../../packages/forebay/src/planner/statistics.ts'

const PRODUCER = fileURLToPath(new URL('./producer.process.ts', import.meta.url))
const COUNT = 40
const GAP_MS = 60

/** From the call of `enqueue`, its fsync included, to the handler's start, with a rate that all processes share. */
describe('an idle consumer on SQLite picks up a task', () => {
  let folder: string
  let queue: LoadLevelingQueue
  let consumer: LeveledConsumer
  let waits: number[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forebay-pickup-'))
    queue = await LoadLevelingQueue.open(`sqlite:${join(folder, 'q.db')}`)
    waits = []
    const handler = ({ payload }: { payload: unknown }) => void waits.push(systemClock.monotonic() - Number(payload))
    consumer = new LeveledConsumer(queue, handler, { rate: { perSecond: 100 }, concurrency: 4 })
    await consumer.start()
  })

  afterEach(async () => {
    await consumer.stop()
    await queue.close()
    await rm(folder, { recursive: true })
  })

  const median = async () => {
    while (waits.length < COUNT) await sleep(systemClock, 5)
    return percentile(Float64Array.from(waits).sort(), 0.5)
  }

  it('of the same process in < 5 ms at the median, or four commits where the disk is slow', async () => {
    const commits: number[] = []
    for (let n = 0; n < COUNT; n++) {
      await sleep(systemClock, GAP_MS)
      const called = systemClock.monotonic()
      await queue.enqueue({ type: 't', payload: called })
      commits.push(systemClock.monotonic() - called)
    }
    const commit = percentile(Float64Array.from(commits).sort(), 0.5) as number
    expect(await median()).toBeLessThan(Math.max(5, 4 * commit))
  })

  it('of another process in < 25 ms at the median', async () => {
    const file = join(folder, 'q.db')
    const producer = spawn(process.execPath, [PRODUCER, file, String(COUNT), String(GAP_MS)], { stdio: 'inherit' })
    await once(producer, 'close')
    expect(await median()).toBeLessThan(25)
  })
})
