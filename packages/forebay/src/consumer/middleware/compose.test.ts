import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { VirtualClock } from '../../clock.ts'
import { LoadLevelingQueue } from '../../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../../queue/task-types.ts'
import { seededRandom } from '../../random.ts'
import { batch, type Handler, type HandlerContext } from '../handler.ts'
import { LeveledConsumer } from '../leveled-consumer.ts'
import { complete, dead } from '../outcome.ts'
import { type AnyMiddleware, compose, type Middleware } from './compose.ts'
import { logging } from './logging.ts'
import { timeout } from './timeout.ts'

const TASKS = { charge: z.object({ order: z.number() }), remind: z.object({ at: z.string() }) }
type Tasks = typeof TASKS

const clock = new VirtualClock()
const scope = { queue: 'orders', types: undefined, clock }
const task = {
  id: 'a',
  type: 'charge',
  payload: 1,
  createdAt: 0,
  attempts: 1,
  priority: 0,
  cost: 1,
  headers: {},
  failures: [],
}
const context: HandlerContext = {
  signal: new AbortController().signal,
  attempt: 1,
  extend: async () => {},
  charge: () => {},
  report: () => {},
}

const traced =
  (name: string, trace: string[]): AnyMiddleware =>
  (next) =>
  async (given, around) => {
    trace.push(`> ${name}`)
    const returned = await next(given, around)
    trace.push(`< ${name}`)
    return returned
  }

describe('compose', () => {
  it('runs the first outermost, in and out in the order of a stack, however many there are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ minLength: 1 }), { maxLength: 12 }), async (names) => {
        const trace: string[] = []
        const handler: Handler<AnyTaskTypes> = () => void trace.push('handler')
        await compose(
          names.map((name) => traced(name, trace)),
          handler,
          scope,
        )(task, context)
        const inwards = names.map((name) => `> ${name}`)
        const outwards = names.toReversed().map((name) => `< ${name}`)
        expect(trace).toEqual([...inwards, 'handler', ...outwards])
      }),
    )
  })

  it('without any is the handler itself', () => {
    const handler = () => undefined
    expect(compose(undefined, handler, scope)).toBe(handler)
    expect(compose([], handler, scope)).toBe(handler)
  })

  it('makes each middleware once, with the queue, its types and the clock', () => {
    const seen: unknown[] = []
    const spy: AnyMiddleware = (next, given) => {
      seen.push(given)
      return next
    }
    const run = compose([spy], () => undefined, scope)
    void run(task, context)
    void run(task, context)
    expect(seen).toEqual([{ queue: 'orders', types: undefined, clock }])
  })

  it.each([
    ['no function', [timeout(5), 'logging'], 'use.1'],
    ['one that returns no handler', [() => undefined], 'use.0'],
  ])('refuses %s', (_, use, path) => {
    const make = () => compose(use as unknown as AnyMiddleware[], () => undefined, scope)
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path }))
  })
})

async function house(handler: Handler<Tasks>, use: readonly Middleware<Tasks>[]) {
  const house = { clock: new VirtualClock() }
  const queue = await LoadLevelingQueue.open('memory:', { ...house, tasks: TASKS, random: seededRandom(1) })
  const consumer = new LeveledConsumer(queue, handler, { use, random: seededRandom(2), keepResultsMs: 60_000 })
  return { ...house, queue, consumer }
}

describe('the consumer', () => {
  it('refuses middleware round a batch, which it could not stand round', async () => {
    const queue = await LoadLevelingQueue.open('memory:')
    const make = () =>
      new LeveledConsumer(
        queue,
        batch(() => undefined, { maxTasks: 2 }),
        { use: [timeout(5)] },
      )
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path: 'use' }))
    await queue.close()
  })

  it('lets a middleware change the task, the context and the outcome', async () => {
    const seen: unknown[] = []
    const { clock, queue, consumer } = await house(
      (given, { attempt }) => {
        seen.push(given.payload, attempt)
        return complete('handled')
      },
      [
        (next) => async (given, around) => {
          const returned = await next(given, { ...around, signal: around.signal, attempt: 99 })
          return returned?.outcome === 'complete' ? complete(`${returned.result} and wrapped`) : returned
        },
        (next) => (given, around) =>
          given.type === 'charge'
            ? next({ ...given, payload: { order: given.payload.order + 1 } }, around)
            : next(given, around),
      ],
    )
    const { id } = await queue.enqueue({ type: 'charge', payload: { order: 41 } })
    await consumer.start()
    await clock.advance(10)
    expect(seen).toEqual([{ order: 42 }, 99])
    expect(await queue.find(id)).toMatchObject({ state: 'completed', result: '"handled and wrapped"' })
    await consumer.stop()
  })

  it('lets a middleware answer for the handler, which then does not run', async () => {
    let runs = 0
    const { clock, queue, consumer } = await house(() => void runs++, [() => () => dead('not on Sundays')])
    await queue.enqueue({ type: 'charge', payload: { order: 1 } })
    await consumer.start()
    await clock.advance(10)
    expect(runs).toBe(0)
    expect((await queue.dead.list({ limit: 1 })).items).toMatchObject([
      { reason: 'refused', task: { failures: [{ message: 'not on Sundays' }] } },
    ])
    await consumer.stop()
  })

  it('takes what a middleware throws for a failed attempt', async () => {
    const { clock, queue, consumer } = await house(
      () => undefined,
      [
        () => () => {
          throw new RangeError('no')
        },
      ],
    )
    await queue.enqueue({ type: 'charge', payload: { order: 1 } })
    const retried: string[] = []
    consumer.on('retried', ({ failure }) => retried.push(`${failure.code}: ${failure.message}`))
    await consumer.start()
    await clock.advance(10)
    expect(retried).toEqual(['RangeError: no'])
    await consumer.stop()
  })

  it('types what a middleware gets by the task types of its queue', async () => {
    const { queue } = await house(() => undefined, [])
    const ofOthers: Middleware<{ other: z.ZodString }> = (next) => next
    new LeveledConsumer(queue, () => undefined, {
      use: [
        timeout(5),
        logging(console),
        (next) => (given, around) => {
          expectTypeOf(given.type).toEqualTypeOf<'charge' | 'remind'>()
          if (given.type === 'charge') expectTypeOf(given.payload).toEqualTypeOf<{ order: number }>()
          return next(given, around)
        },
      ],
    })
    // @ts-expect-error It is for other task types.
    new LeveledConsumer(queue, () => undefined, { use: [ofOthers] })
    // @ts-expect-error A middleware hands on what the next one can take.
    const wrong: Middleware<Tasks> = (next) => (_, around) => next({ ...task, type: 'other' }, around)
    expectTypeOf<AnyMiddleware>().toExtend<Middleware<Tasks>>()
    expect(wrong).toBeTypeOf('function')
  })
})
