/** One tenant with very many tasks does not keep another's waiting: through the queue and the consumer, on each backend that is fair. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import type { Fair } from '../../packages/forebay/src/queue/fair-weights.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

const CONCURRENCY = 5
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-fair-'))
})
afterAll(() => rm(folder, { recursive: true }))

let files = 0
const urls = { 'memory:': () => 'memory:', 'sqlite:': () => `sqlite:${join(folder, `${files++}.db`)}` }

async function house(url: string, fair?: Fair) {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const queue = await LoadLevelingQueue.open(url, { clock, random, ...(fair !== undefined && { fair }) })
  const started: string[] = []
  const settled = { count: 0 }
  const consumer = new LeveledConsumer(
    queue,
    async ({ key = '' }) => {
      started.push(key)
      await new Promise<void>((resolve) => void clock.after(100, resolve))
    },
    { concurrency: CONCURRENCY, random },
  )
  consumer.on('completed', () => settled.count++)
  const fill = async (key: string, count: number, fields: object = {}) => {
    for (let left = count; left > 0; left -= 10_000) {
      const size = Math.min(left, 10_000)
      await queue.enqueueMany(Array.from({ length: size }, () => ({ type: 't', payload: 1, key, ...fields })))
    }
  }
  /** Lets time pass until so many have started. An engine in another thread must have answered before it does. */
  const until = async (count: number) => {
    while (started.length < count) {
      await queue.depth()
      await clock.advance(20)
    }
  }
  const stop = async () => {
    const stopped = consumer.stop({ graceMs: 0 }).then(() => queue.close())
    let isOver = false
    void stopped.then(() => {
      isOver = true
    })
    while (!isOver) {
      await queue.depth().catch(() => undefined)
      await clock.advance(100)
    }
  }
  return { clock, queue, consumer, started, fill, until, stop }
}

describe.each(Object.entries(urls))('a noisy tenant on %s', (_, url) => {
  it('after 100,000 tasks of one tenant, the one task of another starts within active keys + concurrency starts', {
    timeout: 60_000,
  }, async () => {
    const { consumer, started, fill, until, stop } = await house(url())
    await fill('a', 100_000)
    await consumer.start()
    await until(100)
    const before = started.length
    await fill('b', 1)
    await until(before + 4 * CONCURRENCY)
    expect(started.slice(before).indexOf('b')).toBeLessThanOrEqual(2 + CONCURRENCY)
    expect(started.slice(before)).toContain('b')
    await stop()
  })

  it('shares follow the weights', async () => {
    const { consumer, started, fill, until, stop } = await house(url(), { weights: { gold: 3 } })
    await fill('gold', 1_000)
    await fill('tin', 1_000)
    await fill('zinc', 1_000)
    await consumer.start()
    await until(500)
    const share = (key: string) => started.slice(0, 500).filter((one) => one === key).length
    expect(share('gold')).toBeGreaterThanOrEqual(295)
    expect(share('gold')).toBeLessThanOrEqual(305)
    expect(Math.abs(share('tin') - share('zinc'))).toBeLessThanOrEqual(3)
    await stop()
  })

  it('a key that calls everything urgent gains a head start once, and no more than its share', async () => {
    const { consumer, started, fill, until, stop } = await house(url())
    await fill('urgent', 1_000, { priority: 3 })
    await fill('plain', 1_000)
    await consumer.start()
    await until(400)
    const urgent = started.slice(0, 400).filter((key) => key === 'urgent').length
    expect(started.slice(0, 25)).toEqual(new Array(25).fill('urgent'))
    expect(urgent - 200).toBeGreaterThan(10)
    expect(urgent - 200).toBeLessThanOrEqual(3 * 10 + CONCURRENCY)
    await stop()
  })

  it('without fairness the first come is the first served', async () => {
    const { consumer, started, fill, until, stop } = await house(url(), false)
    await fill('a', 300)
    await fill('b', 10)
    await consumer.start()
    await until(310)
    expect(started.slice(0, 300).every((key) => key === 'a')).toBe(true)
    await stop()
  })
})

it('weights that make no sense are refused, and so is fairness where there is none', async () => {
  const open = (fair: unknown) => LoadLevelingQueue.open('memory:', { fair: fair as Fair })
  await expect(open({ weights: { a: 0 } })).rejects.toThrow(/fair.weights\["a"\] is a number from 0.001 to 1000/)
  const queue = await open(true)
  const unfair = {
    ...queue.service,
    backend: 'plain',
    capabilities: { ...queue.service.capabilities, fairness: false },
  }
  await expect(LoadLevelingQueue.open(unfair as typeof queue.service, { fair: true })).rejects.toThrow(
    /plain backend has no fair order among keys/,
  )
})
