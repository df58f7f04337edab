import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import type { NewTask, QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { seededRandom } from '../random.ts'
import { Migration, type MigrationOptions } from './migration.ts'

const task = (id: string, fields: Partial<NewTask> = {}): NewTask => ({
  id,
  type: 't',
  payload: `"${id}"`,
  priority: 0,
  delayMs: 0,
  ...fields,
})

function house(options: Partial<MigrationOptions> = {}) {
  const clock = new VirtualClock()
  const from = new MemoryQueueService({ clock })
  const to = new MemoryQueueService({ clock })
  const errors: string[] = []
  const migration = new Migration({
    from,
    to,
    clock,
    random: seededRandom(1),
    onError: (error) => errors.push(error.code),
    ...options,
  })
  const abort = new AbortController()
  const run = async (ms: number) => {
    const done = migration.run(abort.signal)
    await clock.advance(ms)
    return done
  }
  return { clock, from, to, migration, errors, abort, run }
}

/** Claims everything, in order. */
async function drain(queue: QueueService) {
  const claims = await queue.claim({ max: 10_000, leaseMs: 60_000, waitMs: 0 })
  return claims.map(({ task: claimed }) => claimed)
}

describe('a migration', () => {
  it('moves every task in its order, as it was pushed, and is over when the old queue is empty', async () => {
    const { from, to, run } = house()
    await from.push([
      task('a', { priority: 2, key: 'k', ordered: true, cost: 7, headers: { trace: 'x' }, ttlMs: 60_000 }),
      task('b', { key: 'k', ordered: true }),
      ...Array.from({ length: 1_500 }, (_, index) => task(`n${index}`)),
    ])
    expect(await run(10_000)).toEqual({ moved: 1_502, expired: 0 })
    expect(await from.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, totals: { completed: 1_502 } })
    const [first, ...others] = await drain(to)
    expect(first).toMatchObject({ id: 'a', priority: 2, key: 'k', ordered: true, cost: 7, headers: { trace: 'x' } })
    expect(first?.ttlMs).toBeLessThanOrEqual(60_000)
    expect(others.map(({ id }) => id)).toEqual(Array.from({ length: 1_500 }, (_, index) => `n${index}`))
    expect((await to.depth()).delayed).toBe(1)
  })

  it('waits for delayed ones and for those in flight, follows producers, and expires what is too late', async () => {
    const { clock, from, to, run } = house()
    await from.push([task('late', { delayMs: 5_000 }), task('short', { ttlMs: 10 }), task('held')])
    await clock.advance(20)
    const [, held] = await from.claim({ max: 2, leaseMs: 3_000, waitMs: 0 })
    expect(held?.id).toBe('held')
    const running = run(2_000)
    await from.push([task('newcomer')])
    await clock.advance(20_000)
    expect(await running).toEqual({ moved: 3, expired: 1 })
    expect((await drain(to)).map(({ id }) => id)).toEqual(['newcomer', 'held', 'late'])
  })

  it('goes on when told to follow, until it is ended', async () => {
    const { clock, from, to, abort, run } = house({ follow: true })
    const running = run(5_000)
    await clock.advance(60_000)
    await from.push([task('much later')])
    await clock.advance(2_000)
    expect((await to.depth()).ready).toBe(1)
    abort.abort()
    await clock.advance(2_000)
    expect(await running).toEqual({ moved: 1, expired: 0 })
  })

  it('law: whatever call fails on either side, no task is lost and none is there twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.boolean(), { maxLength: 40 }),
        fc.nat(1_000),
        async (count, faults, seed) => {
          const { from, to, migration, clock } = house({ random: seededRandom(seed) })
          const pending = [...faults]
          for (const side of [from, to]) {
            for (const name of ['push', 'claim', 'settle'] as const) {
              const act = side[name].bind(side) as (...args: unknown[]) => Promise<unknown>
              const faulty = async (...args: unknown[]) => {
                const fails = pending.shift()
                // The call may have been carried out although its answer is lost.
                if (fails && pending.shift()) throw new Error('not reached')
                const answer = await act(...args)
                if (fails) throw new Error('the answer is lost')
                return answer
              }
              Object.defineProperty(side, name, { value: faulty, configurable: true })
            }
          }
          const tasks = Array.from({ length: count }, (_, index) => task(`t${index}`))
          while (
            !(await from.push(tasks).then(
              () => true,
              () => false,
            ))
          );
          const done = migration.run(new AbortController().signal)
          await clock.advance(600_000)
          await done
          pending.length = 0
          const moved = await drain(to)
          expect(moved.map(({ id }) => id).sort()).toEqual(tasks.map(({ id }) => id).sort())
        },
      ),
      { numRuns: 300 },
    )
  })
})
