import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { VirtualClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { LoadLevelingQueue } from '../../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../../queue/task-types.ts'
import { seededRandom } from '../../random.ts'
import type { Handler } from '../handler.ts'
import { LeveledConsumer } from '../leveled-consumer.ts'
import type { ConsumerOptions } from '../options.ts'
import { timeout } from './timeout.ts'

async function house(handler: Handler<AnyTaskTypes>, options: ConsumerOptions) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const settings = { retry: { maxAttempts: 1 }, concurrency: 10, random: seededRandom(2), ...options }
  const consumer = new LeveledConsumer(queue, handler, settings)
  const ends: string[] = []
  for (const name of ['completed', 'released', 'dead'] as const) {
    consumer.on(name, (event) => {
      const failure = 'failure' in event ? `: ${event.failure.code}: ${event.failure.message}` : ''
      ends.push(`${clock.monotonic()} ${name} ${event.task.type}${failure}`)
    })
  }
  return { clock, queue, consumer, ends }
}

/** Ends when it is told to. */
const obedient: Handler<AnyTaskTypes> = (_, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the client was cut off')), { once: true })
  })
const deaf: Handler<AnyTaskTypes> = () => new Promise(() => {})

describe('timeout', () => {
  it('ends the handler at its own limit, with TASK_TIMEOUT whatever the handler throws', async () => {
    const { clock, queue, consumer, ends } = await house(obedient, { use: [timeout(200)] })
    await queue.enqueue({ type: 'work', payload: 1 })
    await consumer.start()
    await clock.advance(5_000)
    expect(ends).toEqual(['200 dead work: TASK_TIMEOUT: The attempt at a "work" task was not done after 200 ms.'])
    await consumer.stop()
  })

  it('takes the slot of a handler that does not obey one second later', async () => {
    const { clock, queue, consumer, ends } = await house(deaf, { use: [timeout(200)] })
    await queue.enqueue({ type: 'work', payload: 1 })
    await consumer.start()
    await clock.advance(5_000)
    expect(ends).toEqual([expect.stringMatching(/^1200 dead work: TASK_TIMEOUT/)])
    expect(consumer.running).toBe(0)
    await consumer.stop()
  })

  it('by type: others keep the limit of the consumer, which is the longest of all', async () => {
    const { clock, queue, consumer, ends } = await house(obedient, {
      use: [timeout({ quick: 100, endless: 60_000 })],
      timeoutMs: 1_000,
    })
    for (const type of ['quick', 'plain', 'endless', 'constructor']) await queue.enqueue({ type, payload: 1 })
    await consumer.start()
    await clock.advance(5_000)
    // Those of one moment come in no order.
    expect(ends.map((end) => end.split(': The')[0]).sort()).toEqual([
      '100 dead quick: TASK_TIMEOUT',
      '1000 dead constructor: TASK_TIMEOUT',
      '1000 dead endless: TASK_TIMEOUT',
      '1000 dead plain: TASK_TIMEOUT',
    ])
    await consumer.stop()
  })

  it('passes on that the attempt must end: a stop gives the task back unharmed', async () => {
    const reasons: unknown[] = []
    const { clock, queue, consumer, ends } = await house(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(new Error('cut off'))
          })
        }),
      { use: [timeout(20_000), timeout(10_000)] },
    )
    await queue.enqueue({ type: 'work', payload: 1 })
    await consumer.start()
    await clock.advance(100)
    const stopped = consumer.stop({ graceMs: 50 })
    await clock.advance(100)
    await stopped
    expect(reasons).toMatchObject([{ code: 'QUEUE_CLOSED' }])
    expect(ends).toEqual(['150 released work'])
    expect(clock.nextDue).toBeUndefined()
  })

  it('counts what ends within the second of grace, and leaves no timer behind', async () => {
    const { clock, queue, consumer, ends } = await house(
      () => new Promise((resolve) => void clock.after(300, () => resolve(undefined))),
      { use: [timeout({ slow: 200, quick: 400 })] },
    )
    for (const type of ['slow', 'quick']) await queue.enqueue({ type, payload: 1 })
    await consumer.start()
    await clock.advance(5_000)
    expect(ends).toEqual(['300 completed slow', '300 completed quick'])
    await consumer.stop()
    expect(clock.nextDue).toBeUndefined()
  })

  it('does not begin to wait for a handler of an attempt that is over already', async () => {
    const abort = new AbortController()
    const reason = new ForebayError('LEASE_LOST', 'gone')
    abort.abort(reason)
    const clock = new VirtualClock()
    const seen: boolean[] = []
    const run = timeout(500)<AnyTaskTypes>(
      (_, { signal }) => {
        seen.push(signal.aborted)
        throw new Error('cut off')
      },
      { queue: 'q', types: undefined, clock },
    )
    const task = {
      id: 'a',
      type: 't',
      payload: 1,
      createdAt: 0,
      attempts: 1,
      priority: 0,
      cost: 1,
      headers: {},
      failures: [],
    }
    await expect(
      run(task, { signal: abort.signal, attempt: 1, extend: async () => {}, charge: () => {}, report: () => {} }),
    ).rejects.toBe(reason)
    expect(seen).toEqual([true])
    expect(clock.nextDue).toBeUndefined()
  })

  it.each<[string, Parameters<typeof timeout>[0], string]>([
    ['no time', 0, 'timeout'],
    ['more than a week', 8 * 24 * 3_600_000, 'timeout'],
    ['no time for a type', { charge: -1 }, 'timeout.charge'],
    ['a time in words', { charge: '5s' as unknown as number }, 'timeout.charge'],
  ])('refuses %s', (_, limit, path) => {
    expect(() => timeout(limit)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path }))
  })

  it('refuses a type that the queue does not have, when the consumer is made', async () => {
    const queue = await LoadLevelingQueue.open('memory:', { tasks: { charge: z.object({}) } })
    const make = () => new LeveledConsumer(queue, () => undefined, { use: [timeout({ chrage: 5 })] })
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path: 'timeout.chrage' }))
    await queue.close()
  })
})
