/** Limits for each key, through two consumers of one queue. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../../packages/forebay/src/consumer/options.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { mostInWindow } from '../../packages/forebay/src/replay/figures.ts'

const KEYS = ['a', 'b', 'c']

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-key-limits-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Run {
  /** The most that ran at once, by key. */
  readonly most: ReadonlyMap<string, number>
  /** When tasks started, by key. */
  readonly starts: ReadonlyMap<string, readonly number[]>
}

/** Runs ten tasks of each key to their end with two consumers. */
async function run(url: string, perKey: ConsumerOptions['perKey']): Promise<Run> {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open(url, { clock })
  const again = url === 'memory:' ? queue : await LoadLevelingQueue.open(url, { clock })
  const running = new Map<string, number>()
  const most = new Map<string, number>()
  const starts = new Map(KEYS.map((key) => [key, [] as number[]]))
  const handler = async ({ key = '' }: { readonly key?: string }) => {
    const now = (running.get(key) ?? 0) + 1
    running.set(key, now)
    most.set(key, Math.max(now, most.get(key) ?? 0))
    starts.get(key)?.push(clock.monotonic())
    await sleep(clock, 100)
    running.set(key, (running.get(key) ?? 0) - 1)
  }
  await queue.enqueueMany(KEYS.flatMap((key) => Array.from({ length: 10 }, () => ({ type: 't', payload: 1, key }))))
  const options = { concurrency: 20, clock, ...(perKey && { perKey }) }
  const consumers = [new LeveledConsumer(queue, handler, options), new LeveledConsumer(again, handler, options)]
  await Promise.all(consumers.map((consumer) => consumer.start()))
  while (((await queue.depth()).totals?.completed ?? 0) < 10 * KEYS.length) await clock.advance(10)
  await Promise.all(consumers.map((consumer) => consumer.stop()))
  await Promise.all([queue.close(), again === queue ? undefined : again.close()])
  return { most, starts }
}

describe.each([
  ['memory', () => 'memory:'],
  ['sqlite', () => `sqlite:${join(folder, `queue-${Math.trunc(process.uptime() * 1e6)}.db`)}?durability=normal`],
])('limits for keys on %s', (_, urlOf) => {
  it('no key has more than its concurrency running, over two consumers, and all get it', async () => {
    const { most } = await run(urlOf(), { concurrency: 2 })
    expect([...most.values()]).toEqual([2, 2, 2])
  })

  it('no key starts more often than its rate, over two consumers', async () => {
    const { starts } = await run(urlOf(), { rate: { perSecond: 5 } })
    for (const times of starts.values()) {
      expect(times).toHaveLength(10)
      // Within a second: five, and the one at the edge.
      expect(mostInWindow(times, 999)).toBeLessThanOrEqual(5)
    }
  })
})
