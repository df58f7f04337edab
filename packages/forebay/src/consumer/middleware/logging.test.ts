import type { FastifyBaseLogger } from 'fastify'
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { AnyTaskTypes } from '../../queue/task-types.ts'
import type { Handler } from '../handler.ts'
import { complete, dead, release, retryIn } from '../outcome.ts'
import { logging, type TaskLogger } from './logging.ts'

function house(handler: Handler<AnyTaskTypes>, sink?: Partial<TaskLogger>) {
  const clock = new VirtualClock()
  const lines: [string, object, string][] = []
  const logger: TaskLogger = {
    info: (...line) => lines.push(['info', ...line]),
    warn: (...line) => lines.push(['warn', ...line]),
    error: (...line) => lines.push(['error', ...line]),
    ...sink,
  }
  const abort = new AbortController()
  const run = logging(logger)(handler, { queue: 'orders', types: undefined, clock })
  const task = {
    id: 'o42',
    type: 'charge',
    payload: { card: 'secret-1' },
    createdAt: 0,
    attempts: 2,
    priority: 0,
    cost: 1,
    key: 'secret-2',
    headers: { cookie: 'secret-3' },
    failures: [],
  }
  return {
    clock,
    lines,
    abort,
    run: async () =>
      run(task, { signal: abort.signal, attempt: 2, extend: async () => {}, charge: () => {}, report: () => {} }),
  }
}

const ABOUT = { queue: 'orders', taskId: 'o42', taskType: 'charge', attempt: 2, durationMs: 0 }

describe('logging', () => {
  it.each([
    ['completes', undefined, 'info', { outcome: 'completed' }, 'task completed'],
    ['completes with a result', complete('secret-4'), 'info', { outcome: 'completed' }, 'task completed'],
    ['is released', release(50), 'info', { outcome: 'released', delayMs: 50 }, 'task released'],
    [
      'is to run again',
      retryIn(70, 'not yet'),
      'warn',
      { outcome: 'retried', delayMs: 70, errorType: 'retry', reason: 'not yet' },
      'task retried: retry',
    ],
    ['is given up', dead('gone'), 'error', { outcome: 'dead', errorType: 'dead', reason: 'gone' }, 'task dead: dead'],
  ])('writes one line for an attempt that %s', async (_, outcome, level, fields, message) => {
    const { run, lines } = house(() => outcome)
    expect(await run()).toBe(outcome)
    expect(lines).toEqual([[level, { ...ABOUT, ...fields }, message]])
  })

  it('tells what was thrown by its name and words, and how long it took; the error itself goes on untouched', async () => {
    const thrown = Object.assign(new RangeError('out of range'), { config: { data: 'secret-5' } })
    const { run, lines, clock } = house(
      () => new Promise((_resolve, reject) => void clock.after(12.5, () => reject(thrown))),
    )
    const ran = expect(run()).rejects.toBe(thrown)
    await clock.advance(20)
    await ran
    const fields = { ...ABOUT, durationMs: 12.5, outcome: 'failed', errorType: 'RangeError', reason: 'out of range' }
    expect(lines).toEqual([['warn', fields, 'task failed: RangeError']])
  })

  it('never writes the payload, the result, the key, the headers or what hangs on an error', async () => {
    const ends: Handler<AnyTaskTypes>[] = [
      () => complete({ deep: 'secret-4' }),
      () => Promise.reject(Object.assign(new Error('no'), { request: { body: 'secret-5' } })),
      () => Promise.reject({ body: 'secret-6' }),
    ]
    for (const handler of ends) {
      const { run, lines } = house(handler)
      await run().catch(() => undefined)
      expect(lines).toHaveLength(1)
      expect(JSON.stringify(lines)).not.toContain('secret')
    }
  })

  it('cuts words that are too long', async () => {
    const { run, lines } = house(() => dead('x'.repeat(100_000)))
    await run()
    expect(JSON.stringify(lines).length).toBeLessThan(1_500)
  })

  it('tells of a handler that never ends, one second after it was told to', async () => {
    const { run, lines, clock, abort } = house(() => new Promise(() => {}))
    const ran = expect(run()).rejects.toMatchObject({ code: 'TASK_TIMEOUT' })
    await clock.advance(100)
    abort.abort(new ForebayError('TASK_TIMEOUT', 'too long'))
    await clock.advance(999)
    expect(lines).toEqual([])
    await clock.advance(1)
    await ran
    expect(lines).toMatchObject([
      ['warn', { durationMs: 1_100, errorType: 'TASK_TIMEOUT' }, 'task failed: TASK_TIMEOUT'],
    ])
  })

  it('a logger that throws changes no outcome, and its error is not hidden: it is thrown apart', async () => {
    const fault = new Error('the disk is full')
    const apart: (() => void)[] = []
    const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((thrower) => void apart.push(thrower))
    onTestFinished(() => spy.mockRestore())
    const { run } = house(() => complete(7), {
      info() {
        throw fault
      },
    })
    expect(await run()).toEqual(complete(7))
    expect(apart).toHaveLength(1)
    expect(apart[0]).toThrow(fault)
  })

  it("takes Fastify's logger, which is pino's, and the console", () => {
    expectTypeOf<FastifyBaseLogger>().toExtend<TaskLogger>()
    expectTypeOf<Console>().toExtend<TaskLogger>()
  })
})
