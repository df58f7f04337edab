import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import { openSqlite } from '../backends/sqlite/sqlite-queue-service.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { type Clock, systemClock, VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { LeveledConsumer } from './leveled-consumer.ts'

/** A backend without atomic state, as RabbitMQ and NATS are. */
function stateless(clock: Clock = systemClock): QueueService {
  return Object.defineProperties(new MemoryQueueService({ clock }), {
    backend: { value: 'stateless' },
    shared: { value: undefined },
  })
}

const FAST = { rate: { perSecond: 100, rampMs: 0 }, concurrency: 50 } as const

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-coordinator-'))
})

afterEach(() => rm(folder, { recursive: true }))

describe('a coordinator', () => {
  it('keeps the shared rate of a queue whose backend can not', async () => {
    const clock = new VirtualClock()
    const options = { clock, random: seededRandom(1) }
    const queue = await LoadLevelingQueue.open(stateless(clock), {
      ...options,
      coordinator: new MemoryQueueService({ clock }),
    })
    const starts: number[] = []
    const consumers = [1, 2, 3].map(
      (seed) =>
        new LeveledConsumer(queue, () => void starts.push(clock.monotonic()), { ...FAST, random: seededRandom(seed) }),
    )
    await queue.enqueueMany(Array.from({ length: 500 }, (_, payload) => ({ type: 't', payload })))
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(2_000)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    expect(starts.length).toBeGreaterThan(195)
    expect(starts.length).toBeLessThanOrEqual(201)
  })

  it('is opened by its URL under the same queue name, stores no tasks, and is closed with the queue', async () => {
    const file = join(folder, 'rates.db')
    const queue = await LoadLevelingQueue.open(stateless(), { name: 'orders', coordinator: `sqlite:${file}` })
    await queue.enqueue({ type: 't', payload: 1 })
    const beside = await openSqlite({ path: file, queue: 'orders' })
    expect((await beside.depth()).totals?.accepted).toBe(0)
    await beside.close()
    const { shared } = queue
    await queue.close()
    await expect(shared?.apply('flow', {} as never)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  })

  it('without atomic state is refused; what was handed in stays as it is', async () => {
    const [service, coordinator] = [stateless(), stateless()]
    const opening = LoadLevelingQueue.open(service, { coordinator })
    await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED', path: 'coordinator' })
    await expect(opening).rejects.toThrow('Use sqlite, redis or postgres')
    expect((await service.depth()).ready).toBe(0)
    expect((await coordinator.depth()).ready).toBe(0)
  })

  it('that cannot be opened keeps the queue from opening, and nothing stays open', async () => {
    const url = `sqlite:${join(folder, 'tasks.db')}`
    await expect(LoadLevelingQueue.open(url, { coordinator: 'nowhere://' })).rejects.toMatchObject({
      code: 'INVALID_URL',
    })
    const missing = join(folder, 'missing', 'rates.db')
    await expect(LoadLevelingQueue.open(url, { coordinator: `sqlite:${missing}` })).rejects.toThrow('missing')
    // The last one to close a file puts its log away.
    expect(await readdir(folder)).toEqual(['tasks.db'])
  })

  it('is what the error asks for where there is none, in words that can be copied', async () => {
    const queue = await LoadLevelingQueue.open(stateless())
    const begin = () => new LeveledConsumer(queue, () => undefined, FAST)
    expect(begin).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', path: 'rate.scope' }))
    expect(begin).toThrow(
      "The stateless backend can't keep one rate over all consumers of the queue. Open the queue with a coordinator that can, " +
        `such as coordinator: 'redis://...' or 'sqlite:FILE', or say rate.scope "process" if there is only one consumer.`,
    )
    const slots = { concurrency: { max: 8, scope: 'queue' } } as const
    expect(() => new LeveledConsumer(queue, () => undefined, slots)).toThrow(
      "The stateless backend can't keep one limit over all consumers of the queue. Open the queue with a coordinator that " +
        "can, such as coordinator: 'redis://...' or 'sqlite:FILE', or say concurrency: 8 for this consumer alone.",
    )
    await queue.close()
  })

  it('keeps no results: a backend that can not is refused', async () => {
    const service = stateless()
    const capabilities = { ...service.capabilities, results: false }
    const queue = await LoadLevelingQueue.open(Object.defineProperty(service, 'capabilities', { value: capabilities }))
    expect(() => new LeveledConsumer(queue, () => undefined, { keepResultsMs: 1 })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', path: 'keepResultsMs' }),
    )
    await queue.close()
  })
})
