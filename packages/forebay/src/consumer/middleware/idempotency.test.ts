import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import type { ForebayError } from '../../errors.ts'
import { LoadLevelingQueue } from '../../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../../queue/task-types.ts'
import { seededRandom } from '../../random.ts'
import type { Handler } from '../handler.ts'
import { LeveledConsumer } from '../leveled-consumer.ts'
import { complete, dead, release, retryIn } from '../outcome.ts'
import { type CompletionStore, idempotency } from './idempotency.ts'
import { memoryCompletions } from './memory-completions.ts'

const scope = { queue: 'orders', types: undefined, clock: new VirtualClock() }
const context = {
  signal: new AbortController().signal,
  attempt: 1,
  extend: async () => {},
  charge: () => {},
  report: () => {},
}
const taskOf = (id: string) => ({
  id,
  type: 'charge',
  payload: 1,
  createdAt: 0,
  attempts: 1,
  priority: 0,
  cost: 1,
  headers: {},
  failures: [],
})

describe('idempotency', () => {
  it.each([
    ['nothing', undefined, undefined],
    ['a result', complete({ receipt: 7 }), { receipt: 7 }],
    ['null', complete(null), undefined],
  ])(
    'runs once for a task that completed with %s, and answers with that result from then on',
    async (_, first, result) => {
      let runs = 0
      const handler: Handler<AnyTaskTypes> = () => {
        runs++
        return first
      }
      const run = idempotency(memoryCompletions())(handler, scope)
      expect(await run(taskOf('a'), context)).toBe(first)
      expect(await run(taskOf('a'), context)).toEqual(complete(result))
      expect(runs).toBe(1)
      await run(taskOf('b'), context)
      expect(runs).toBe(2)
    },
  )

  it.each([[retryIn(5)], [dead('no')], [release()]])('runs again after %o: that is no completion', async (outcome) => {
    let runs = 0
    const run = idempotency(memoryCompletions())(() => {
      runs++
      return outcome
    }, scope)
    for (const nth of [1, 2]) {
      expect(await run(taskOf('a'), context)).toBe(outcome)
      expect(runs).toBe(nth)
    }
  })

  it('runs again after it threw', async () => {
    let runs = 0
    const run = idempotency(memoryCompletions())(() => {
      if (++runs === 1) throw new Error('no')
    }, scope)
    await expect(run(taskOf('a'), context)).rejects.toThrow('no')
    expect(await run(taskOf('a'), context)).toBeUndefined()
    expect(runs).toBe(2)
  })

  it('tells queues apart that share a store', async () => {
    const store = memoryCompletions()
    const ran: string[] = []
    for (const queue of ['orders', 'mails']) {
      await idempotency(store)(() => void ran.push(queue), { ...scope, queue })(taskOf('a'), context)
    }
    expect(ran).toEqual(['orders', 'mails'])
  })

  it('does not run when the store cannot be asked', async () => {
    let runs = 0
    const away: CompletionStore = { find: () => Promise.reject(new Error('connection refused')), note: () => {} }
    const run = idempotency(away)(() => void runs++, scope)
    await expect(run(taskOf('a'), context)).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: 'Whether orders/a has completed before could not be found out: connection refused. It did not run.',
    })
    const garbled: CompletionStore = { find: () => '{', note: () => {} }
    await expect(idempotency(garbled)(() => void runs++, scope)(taskOf('a'), context)).rejects.toThrow('did not run')
    expect(runs).toBe(0)
  })

  it('lets the outcome stand when the completion cannot be noted, and tells', async () => {
    const errors: ForebayError[] = []
    const full: CompletionStore = { find: () => undefined, note: () => Promise.reject(new Error('disk full')) }
    const run = idempotency(full, { onError: (error) => errors.push(error) })(() => complete(7), scope)
    expect(await run(taskOf('a'), context)).toEqual(complete(7))
    expect(errors).toMatchObject([{ code: 'BACKEND_UNAVAILABLE', message: 'disk full' }])
    expect(await idempotency(full)(() => complete(8), scope)(taskOf('a'), context)).toEqual(complete(8))
  })

  it('spares the second run of a task whose first outcome was not stored because the lease was lost', async () => {
    const clock = new VirtualClock()
    const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
    let effects = 0
    const lost: string[] = []
    const consumer = new LeveledConsumer(queue, () => complete(++effects), {
      use: [idempotency(memoryCompletions({ clock }))],
      random: seededRandom(2),
      keepResultsMs: 60_000,
    })
    consumer.on('leaseLost', ({ task }) => lost.push(task.id))
    const { id } = await queue.enqueue({ type: 'charge', payload: 1 })
    const settle = queue.service.settle.bind(queue.service)
    let refused = false
    queue.service.settle = async (settlements) => {
      if (refused) return settle(settlements)
      refused = true
      await settle(settlements.map(({ claim }) => ({ claim, outcome: 'release', delayMs: 0 })))
      return settlements.map(() => ({ status: 'stale' }))
    }
    await consumer.start()
    await clock.advance(1_000)
    await consumer.stop()
    expect(lost).toEqual([id])
    expect(effects).toBe(1)
    expect(await queue.find(id)).toMatchObject({ state: 'completed', result: '1' })
  })
})

describe('completions in memory', () => {
  it('are forgotten after their time, counted from the note', async () => {
    const clock = new VirtualClock()
    const store = memoryCompletions({ keepMs: 1_000, clock })
    await store.note('a', '1')
    await clock.advance(999)
    expect(store.find('a')).toBe('1')
    await clock.advance(1)
    expect(store.find('a')).toBeUndefined()
  })

  it('are never more than the bound, and those that were asked for last stay: as a list that is kept in that order', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String)
    const step = fc.record({ kind: fc.constantFrom('find', 'note'), key })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (max, steps) => {
        const store = memoryCompletions({ max, clock: new VirtualClock() })
        let model: string[] = []
        for (const { kind, key } of steps) {
          const known = model.includes(key)
          if (kind === 'find') expect(store.find(key)).toBe(known ? `of ${key}` : undefined)
          else void store.note(key, `of ${key}`)
          if (known || kind === 'note') model = [...model.filter((one) => one !== key), key].slice(-max)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([
    ['max', { max: 0 }],
    ['keepMs', { keepMs: 0 }],
  ])('refuse a %s of 0', (path, options) => {
    expect(() => memoryCompletions(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path }))
  })
})
