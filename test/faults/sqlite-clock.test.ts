/** Somebody sets the wall clock, or the machine starts again: no mass expiry, no stall, no burst. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqlite, type SqliteQueueService } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { type Clock, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { afterwards, newFolder, task } from './sqlite-scene.ts'

const HOUR_MS = 3_600_000
const TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS
const JUMPS = [-TEN_YEARS_MS, -HOUR_MS, HOUR_MS, TEN_YEARS_MS]

/** A machine: one monotonic clock for all its processes, and a wall clock that can be set. */
class Machine {
  readonly time = new VirtualClock()
  wallOffMs = 0
  readonly #boot: string
  /** Of this boot. */
  readonly #startedAt: number

  constructor(boot = 'boot 1', startedAt = 0) {
    this.#boot = boot
    this.#startedAt = startedAt
  }

  /** The clock of one of its processes. */
  clock(): Clock {
    return {
      origin: this.#boot,
      now: () => this.time.now() + this.#startedAt + this.wallOffMs,
      monotonic: () => this.time.monotonic(),
      after: (delayMs, fire) => this.time.after(delayMs, fire),
    }
  }
}

async function openOn(machine: Machine, path: string): Promise<SqliteQueueService> {
  const queue = await openSqlite({ path, clock: machine.clock() })
  afterwards(() => queue.close())
  return queue
}

function claim(queue: SqliteQueueService, leaseMs = 60_000) {
  return queue.claim({ max: 10, leaseMs, waitMs: 0 })
}

test.each(JUMPS)(
  'a wall clock set by %i ms moves no due time, lease or expiry, also for a process that opens after it',
  async (jump) => {
    const path = join(newFolder(), 'queue.db')
    const machine = new Machine()
    const before = await openOn(machine, path)
    await before.push([
      task('leased'),
      { ...task('delayed'), delayMs: 10_000 },
      { ...task('mortal'), ttlMs: 20_000, priority: -1 },
    ])
    const [leased] = await before.claim({ max: 1, leaseMs: 10_000, waitMs: 0 })
    expect(leased?.id).toBe('leased')

    machine.wallOffMs = jump
    const after = await openOn(machine, path)
    for (const queue of [before, after]) {
      const { ready, delayed, inFlight, oldestReadyAgeMs } = await queue.depth()
      expect({ ready, delayed, inFlight, oldestReadyAgeMs }).toEqual({
        ready: 1,
        delayed: 1,
        inFlight: 1,
        oldestReadyAgeMs: 0,
      })
    }
    const [mortal] = await claim(after)
    expect([mortal?.id, mortal?.expired]).toEqual(['mortal', false])
    await machine.time.advance(9_999)
    expect(await claim(after)).toEqual([])
    await machine.time.advance(1)
    expect((await claim(before)).map(({ id }) => id)).toEqual(['leased', 'delayed'])
  },
)

test.each(JUMPS)('a parked claim gets what is pushed and falls due after a jump of %i ms', async (jump) => {
  const machine = new Machine()
  const queue = await openOn(machine, join(newFolder(), 'queue.db'))
  const parked = queue.claim({ max: 1, leaseMs: 1_000, waitMs: 60_000 })
  await queue.push([{ ...task('delayed'), delayMs: 5_000 }])
  machine.wallOffMs = jump
  await queue.depth()
  await machine.time.advance(5_000)
  expect((await parked).map(({ id }) => id)).toEqual(['delayed'])
})

test('after a reboot queue time goes on from the wall clock', async () => {
  const path = join(newFolder(), 'queue.db')
  const first = await openSqlite({ path, clock: new Machine('boot 1').clock() })
  await first.push([{ ...task('delayed'), delayMs: 60_000 }, task('leased')])
  await claim(first, 30_000)
  await first.close()

  const second = new Machine('boot 2', 40_000)
  const queue = await openOn(second, path)
  expect((await claim(queue)).map(({ id }) => id)).toEqual(['leased'])
  await second.time.advance(20_000)
  expect((await claim(queue)).map(({ id }) => id)).toEqual(['delayed'])
})

test.each(['boot 2', 'boot unknown'])(
  'after a reboot with a wall clock that lost its time, nothing stalls (%s)',
  async (boot) => {
    const path = join(newFolder(), 'queue.db')
    const before = new Machine('boot unknown')
    await before.time.advance(HOUR_MS)
    const first = await openSqlite({ path, clock: before.clock() })
    await first.push([{ ...task('delayed'), delayMs: 60_000 }])
    await first.close()

    const after = new Machine(boot, -TEN_YEARS_MS)
    const queue = await openOn(after, path)
    expect((await queue.depth()).delayed).toBe(1)
    await after.time.advance(60_000)
    expect((await claim(queue)).map(({ id }) => id)).toEqual(['delayed'])
  },
)
