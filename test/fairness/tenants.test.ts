/** One tenant has very many tasks queued, others a few; then one comes with a single task: when does it start? */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const CONCURRENCY = 8
/** So long that no task is claimed ahead of a free slot. */
const ATTEMPT_MS = 200
const OTHERS = ['c', 'd', 'e']

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-tenants-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function enqueue(queue: LoadLevelingQueue, key: string, count: number): Promise<void> {
  const batch = Array.from({ length: Math.min(count, 5_000) }, () => ({ type: 'charge', payload: key, key }))
  for (let left = count; left > 0; left -= batch.length) await queue.enqueueMany(batch.slice(0, left))
}

/** How many starts there are from the moment at which tenant b's one task is stored to its own, at most `most`. */
async function startsUntilB(queue: LoadLevelingQueue, clock: VirtualClock, most: number): Promise<number> {
  const consumer = new LeveledConsumer(queue, () => sleep(clock, ATTEMPT_MS), { concurrency: CONCURRENCY, clock })
  const started: (string | undefined)[] = []
  consumer.on('started', ({ task }) => started.push(task.key))
  const untilStarted = async (isEnough: () => boolean) => {
    while (!isEnough()) {
      await clock.advance(ATTEMPT_MS / 4)
      // A round trip, so that an engine in real time comes along.
      await queue.depth()
    }
  }
  await consumer.start()
  await untilStarted(() => started.length >= 5 * CONCURRENCY)
  await enqueue(queue, 'b', 1)
  const before = started.length
  await untilStarted(() => started.includes('b') || started.length - before >= most)
  const stopped = consumer.stop()
  await clock.advance(2 * ATTEMPT_MS)
  await stopped
  const at = started.indexOf('b')
  return at < 0 ? most : at - before + 1
}

describe.each([
  ['memory', () => 'memory:'],
  ['sqlite', () => `sqlite:${join(folder, 'tenants.db')}?durability=normal`],
])('tenants on %s', (_, urlOf) => {
  it('a tenant’s one task starts within (active keys + concurrency) starts, whoever has 100,000 queued', async () => {
    const queue = await LoadLevelingQueue.open(urlOf())
    await enqueue(queue, 'a', 100_000)
    for (const key of OTHERS) await enqueue(queue, key, 300)
    const starts = await startsUntilB(queue, new VirtualClock(), 1_000)
    const activeKeys = 1 + OTHERS.length + 1
    expect(starts).toBeLessThanOrEqual(activeKeys + CONCURRENCY)
    expect((await queue.depth()).ready).toBeGreaterThan(99_000)
    await queue.close()
  }, 120_000)
})

describe('without fair shares', () => {
  it('it waits for all that came before it', async () => {
    const queue = await LoadLevelingQueue.open('memory:', { fair: false })
    await enqueue(queue, 'a', 1_000)
    expect(await startsUntilB(queue, new VirtualClock(), 900)).toBe(900)
    await queue.close()
  })
})
