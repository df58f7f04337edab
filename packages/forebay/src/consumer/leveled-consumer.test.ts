import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import type { ConsumerOptions } from './options.ts'
import type { Handler } from './handler.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import { complete, dead, release, retryIn } from './outcome.ts'

async function house(handler: Handler<AnyTaskTypes>, options: ConsumerOptions = {}) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2), ...options })
  const seen: string[] = []
  for (const name of ['completed', 'retried', 'dead', 'released', 'expired', 'leaseLost'] as const) {
    consumer.on(name, ({ task }) => seen.push(`${name} ${task.type}`))
  }
  return { clock, queue, consumer, seen }
}

const tasks = (count: number, type = 'work') => Array.from({ length: count }, (_, n) => ({ type, payload: n }))

describe('LeveledConsumer', () => {
  it('starts a backlog at the rate: one start each interval, none lost', async () => {
    const at: number[] = []
    const { clock, queue, consumer } = await house(() => void at.push(clock.monotonic()), {
      rate: { perSecond: 50, rampMs: 0 },
      concurrency: 8,
    })
    await queue.enqueueMany(tasks(200))
    await consumer.start()
    await clock.advance(4_100)
    expect(at).toHaveLength(200)
    const gaps = at.slice(1).map((time, index) => time - (at[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThan(19.99)
    expect(Math.max(...gaps)).toBeLessThan(20.01)
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, totals: { accepted: 200, completed: 200 } })
    await consumer.stop()
  })

  it('never runs more than the limit at once, and keeps every slot busy while there is work', async () => {
    let running = 0
    const counts: number[] = []
    const { clock, queue, consumer } = await house(
      () => {
        counts.push(++running)
        return new Promise((resolve) => {
          clock.after(100, () => {
            running--
            resolve(undefined)
          })
        })
      },
      { concurrency: 4 },
    )
    await queue.enqueueMany(tasks(40))
    await consumer.start()
    await clock.advance(1_001)
    expect(Math.max(...counts)).toBe(4)
    expect(counts).toHaveLength(40)
    await consumer.stop()
  })

  it('holds no more tasks than may start within the prefetch time', async () => {
    const { clock, queue, consumer } = await house(() => undefined, {
      rate: { perSecond: 20, rampMs: 0 },
      concurrency: 100,
    })
    await queue.enqueueMany(tasks(100))
    await consumer.start()
    await clock.advance(10)
    expect((await queue.depth()).inFlight).toBeLessThanOrEqual(6)
    await consumer.stop()
    expect(await queue.depth()).toMatchObject({ ready: 99, inFlight: 0 })
  })

  it('retries what throws with full-jitter backoff, then gives it to the dead letters with its failures', async () => {
    const { clock, queue, consumer, seen } = await house(
      (_, { attempt }) => {
        throw new RangeError(`attempt ${attempt}`)
      },
      { retry: { baseMs: 100 } },
    )
    await queue.enqueue({ type: 'work', payload: {} })
    await consumer.start()
    await clock.advance(1_000)
    expect(seen).toEqual(['retried work', 'retried work', 'dead work'])
    const { items } = await queue.dead.list({ limit: 10 })
    expect(items).toMatchObject([{ reason: 'attempts-exhausted', task: { attempts: 3 } }])
    expect(items[0]?.task.failures.map(({ attempt, code, message }) => [attempt, code, message])).toEqual([
      [1, 'RangeError', 'attempt 1'],
      [2, 'RangeError', 'attempt 2'],
      [3, 'RangeError', 'attempt 3'],
    ])
    await consumer.stop()
  })

  it('takes outcomes as values: complete, retryIn, dead, release', async () => {
    let releases = 0
    const { clock, queue, consumer, seen } = await house(
      ({ type, attempts: count }) => {
        if (type === 'done') return complete({ sum: 3 })
        if (type === 'later') return count === 1 ? retryIn(50, 'not yet') : complete()
        if (type === 'hopeless') return dead('no such customer')
        return releases++ === 0 ? release(10) : complete()
      },
      { keepResultsMs: 60_000 },
    )
    const { id } = await queue.enqueue({ type: 'done', payload: 1 })
    for (const type of ['later', 'hopeless', 'released']) await queue.enqueue({ type, payload: 1 })
    await consumer.start()
    await clock.advance(200)
    expect(seen.sort()).toEqual([
      'completed done',
      'completed later',
      'completed released',
      'dead hopeless',
      'released released',
      'retried later',
    ])
    expect(await queue.find(id)).toMatchObject({ state: 'completed', result: '{"sum":3}' })
    expect((await queue.dead.list({ limit: 1 })).items[0]).toMatchObject({
      reason: 'refused',
      task: { failures: [{ message: 'no such customer' }] },
    })
    await consumer.stop()
  })

  it('a release with holdStarts keeps everything from starting, and then ramps up', async () => {
    const at: number[] = []
    const { clock, queue, consumer } = await house(
      ({ attempts }) => {
        at.push(clock.monotonic())
        return at.length === 3 && attempts === 1 ? release(2_000, { holdStarts: true }) : undefined
      },
      { rate: { perSecond: 100, rampMs: 400 }, concurrency: 10 },
    )
    await queue.enqueueMany(tasks(100))
    await consumer.start()
    await clock.advance(10_000)
    expect(at).toHaveLength(101)
    expect((at[3] as number) - (at[2] as number)).toBeGreaterThan(1_999.9)
    expect((at[4] as number) - (at[3] as number)).toBeGreaterThan(20)
    await consumer.stop()
  })

  it('ends an attempt that takes too long, and takes its slot back from a handler that ignores its signal', async () => {
    const reasons: unknown[] = []
    const { clock, queue, consumer, seen } = await house(
      (_, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        return new Promise(() => {})
      },
      { timeoutMs: 500, retry: { maxAttempts: 2, baseMs: 10 } },
    )
    await queue.enqueue({ type: 'hung', payload: 1 })
    await consumer.start()
    await clock.advance(10_000)
    expect(reasons).toMatchObject([{ code: 'TASK_TIMEOUT' }, { code: 'TASK_TIMEOUT' }])
    expect(seen).toEqual(['retried hung', 'dead hung'])
    expect(consumer.running).toBe(0)
    await consumer.stop()
  })

  it('keeps the lease of a long attempt by heartbeat', async () => {
    let runs = 0
    const { clock, queue, consumer, seen } = await house(
      () => {
        runs++
        return new Promise((resolve) => void clock.after(20_000, () => resolve(undefined)))
      },
      { leaseMs: 3_000, timeoutMs: 60_000, concurrency: 2 },
    )
    await queue.enqueue({ type: 'long', payload: 1 })
    await consumer.start()
    await clock.advance(21_000)
    expect(runs).toBe(1)
    expect(seen).toEqual(['completed long'])
    await consumer.stop()
  })

  it('an attempt whose lease was lost is told so, cannot settle, and counts as one', async () => {
    let reason: unknown
    const { clock, queue, consumer, seen } = await house(
      (_, { signal, attempt }) => {
        if (attempt > 1) return undefined
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return new Promise((resolve) => void clock.after(5_000, () => resolve(undefined)))
      },
      { leaseMs: 3_000, concurrency: 2 },
    )
    const service = queue.service
    const extend = service.extend.bind(service)
    service.extend = async (claims) => claims.map(() => ({ status: 'stale' }) as const)
    await queue.enqueue({ type: 'lost', payload: 1 })
    await consumer.start()
    await clock.advance(10_000)
    service.extend = extend
    expect(reason).toMatchObject({ code: 'LEASE_LOST' })
    expect(seen).toEqual(['leaseLost lost', 'completed lost'])
    await consumer.stop()
  })

  it('a task whose consumers died is dead after its attempts, without another start', async () => {
    const { clock, queue, consumer, seen } = await house(() => undefined)
    await queue.enqueue({ type: 'poison', payload: 1 })
    for (let crash = 0; crash < 3; crash++) {
      expect(await queue.service.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })).toHaveLength(1)
      await clock.advance(1_001)
    }
    await consumer.start()
    await clock.advance(10)
    expect(seen).toEqual(['dead poison'])
    await consumer.stop()
  })

  it('expires what came too late, without starting it', async () => {
    const { clock, queue, consumer, seen } = await house(() => undefined)
    await queue.enqueue({ type: 'late', payload: 1, ttlMs: 100 })
    await clock.advance(200)
    await consumer.start()
    await clock.advance(10)
    expect(seen).toEqual(['expired late'])
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, totals: { expired: 1, completed: 0 } })
    await consumer.stop()
  })

  it('pauses and resumes: nothing starts between, nothing stays claimed', async () => {
    const at: number[] = []
    const { clock, queue, consumer } = await house(() => void at.push(clock.monotonic()), {
      rate: { perSecond: 10 },
      concurrency: 5,
    })
    await queue.enqueueMany(tasks(50))
    await consumer.start()
    await clock.advance(1_000)
    consumer.pause()
    const before = at.length
    await clock.advance(5_000)
    expect(at).toHaveLength(before)
    expect((await queue.depth()).inFlight).toBe(0)
    consumer.resume()
    await clock.advance(10_000)
    expect(at).toHaveLength(50)
    await consumer.stop()
  })

  it('changes rate and concurrency while it runs, and refuses nonsense without a change', async () => {
    const at: number[] = []
    const { clock, queue, consumer } = await house(() => void at.push(clock.monotonic()), {
      rate: { perSecond: 1, rampMs: 0 },
      concurrency: 9,
    })
    await queue.enqueueMany(tasks(300))
    await consumer.start()
    await clock.advance(2_500)
    expect(at).toHaveLength(3)
    consumer.update({ rate: { perSecond: 100, rampMs: 0 } })
    await clock.advance(1_000)
    expect(at.length).toBeGreaterThanOrEqual(102)
    expect(() => consumer.update({ rate: { perSecond: -1 } })).toThrow(/rate.perSecond/)
    expect(() => consumer.update({ concurrency: 1.5 })).toThrow(/concurrency/)
    consumer.update({ rate: null })
    await clock.advance(100)
    expect(at).toHaveLength(300)
    await consumer.stop()
  })

  it('stop lets running tasks finish within the grace', async () => {
    const { clock, queue, consumer, seen } = await house(
      () => new Promise((resolve) => void clock.after(3_000, () => resolve(undefined))),
      { concurrency: 2 },
    )
    await queue.enqueueMany(tasks(3))
    await consumer.start()
    await clock.advance(100)
    const stopped = consumer.stop({ graceMs: 5_000 })
    expect(consumer.state).toBe('stopping')
    await clock.advance(3_000)
    await stopped
    expect(consumer.state).toBe('stopped')
    expect(seen).toEqual(['completed work', 'completed work'])
    expect(await queue.depth()).toMatchObject({ ready: 1, inFlight: 0 })
  })

  it('stop releases what does not finish, obedient or not, and no attempt is counted', async () => {
    const { clock, queue, consumer, seen } = await house(
      ({ type }, { signal }) =>
        new Promise((_, reject) => {
          if (type === 'obedient') signal.addEventListener('abort', () => reject(signal.reason))
        }),
      { concurrency: 2 },
    )
    await queue.enqueue({ type: 'obedient', payload: 1 })
    await queue.enqueue({ type: 'deaf', payload: 1 })
    await consumer.start()
    await clock.advance(100)
    const stopped = consumer.stop({ graceMs: 1_000 })
    await clock.advance(5_000)
    await stopped
    expect(seen).toEqual(['released obedient', 'released deaf'])
    const claims = await queue.service.claim({ max: 5, leaseMs: 1_000, waitMs: 0 })
    expect(claims.map(({ task }) => task.attempts)).toEqual([1, 1])
  })

  it('stops twice, before the start and during it, and starts again', async () => {
    let runs = 0
    const { clock, queue, consumer } = await house(() => void runs++)
    await consumer.stop()
    const starting = consumer.start()
    await Promise.all([consumer.stop(), consumer.stop(), starting])
    expect(consumer.state).toBe('stopped')
    await queue.enqueue({ type: 'work', payload: 1 })
    await clock.advance(100)
    expect(runs).toBe(0)
    await consumer.start()
    await consumer.start()
    await clock.advance(100)
    expect(runs).toBe(1)
    const stopping = consumer.stop()
    const restarting = consumer.start()
    await Promise.all([stopping, consumer.stop(), restarting])
    expect(consumer.state).toBe('stopped')
    expect(clock.nextDue === undefined || clock.nextDue > 1_000).toBe(true)
  })

  it('goes on by itself when the backend was away, and loses no outcome', async () => {
    let away = false
    const { clock, queue, consumer, seen } = await house(() => {
      away = true
      clock.after(2_000, () => {
        away = false
      })
    })
    const errors: number[] = []
    consumer.on('error', ({ error, retryInMs }) => {
      expect(error.code).toBe('BACKEND_UNAVAILABLE')
      errors.push(retryInMs)
    })
    const service = queue.service as QueueService
    for (const method of ['claim', 'settle'] as const) {
      const real = service[method].bind(service) as (argument: never) => Promise<never>
      Object.assign(service, {
        [method]: (argument: never) =>
          away ? Promise.reject(new ForebayError('BACKEND_UNAVAILABLE', 'gone fishing')) : real(argument),
      })
    }
    await queue.enqueueMany(tasks(3))
    await consumer.start()
    await clock.advance(60_000)
    expect(seen).toEqual(['completed work', 'completed work', 'completed work'])
    expect(errors.length).toBeGreaterThan(3)
    await consumer.stop()
  })

  it('reads payloads by their schema, and gives what it cannot read to the dead letters', async () => {
    const clock = new VirtualClock()
    const types = { charge: z.object({ cents: z.number().int(), on: z.string().transform((text) => new Date(text)) }) }
    const queue = await LoadLevelingQueue.open('memory:', { clock, tasks: types })
    const years: number[] = []
    const consumer = new LeveledConsumer(queue, (task) => void years.push(task.payload.on.getUTCFullYear()))
    await queue.enqueue({ type: 'charge', payload: { cents: 5, on: '1995-07-13' } })
    await queue.service.push([{ id: 'x', type: 'charge', payload: '{"cents":"5"}', priority: 0, delayMs: 0 }])
    await queue.service.push([{ id: 'y', type: 'other', payload: '{}', priority: 0, delayMs: 0 }])
    await consumer.start()
    await clock.advance(100)
    expect(years).toEqual([1995])
    const { items } = await queue.dead.list({ limit: 5 })
    expect(items.map(({ task, reason }) => [task.id, reason, task.failures[0]?.code])).toEqual([
      ['x', 'unreadable', 'INVALID_PAYLOAD'],
      ['y', 'unreadable', 'UNKNOWN_TASK_TYPE'],
    ])
    await consumer.stop()
  })

  it('refuses options out of bounds', async () => {
    const { queue } = await house(() => undefined)
    const make = (options: ConsumerOptions) => () => new LeveledConsumer(queue, () => undefined, options)
    expect(make({ rate: { perSecond: 0 } })).toThrow(/rate.perSecond is a number above 0/)
    expect(make({ rate: { perSecond: 50_001 } })).toThrow(/at most 50000/)
    expect(make({ concurrency: 0 })).toThrow(/concurrency/)
    expect(make({ leaseMs: 10 })).toThrow(/leaseMs/)
    expect(make({ timeoutMs: Number.NaN })).toThrow(/timeoutMs/)
    expect(make({ retry: { maxAttempts: 0 } })).toThrow(/maxAttempts/)
  })
})
