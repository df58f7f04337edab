import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { workMessage } from './worker-messages.ts'
import { WorkerPool } from './worker-pool.ts'
import type { WorkerProcess } from './worker-process.ts'

/** A process that does what the test says. */
class Puppet implements WorkerProcess {
  readonly pid: number
  asked: 'drain' | 'kill' | undefined
  tell: (message: unknown) => void = () => {}
  end: (code: number | null, how: string) => void = () => {}

  constructor(pid: number) {
    this.pid = pid
  }

  drain(): void {
    this.asked = 'drain'
  }
  kill(): void {
    this.asked = 'kill'
    this.end(null, 'signal SIGKILL')
  }
  onMessage(listener: (message: unknown) => void): void {
    this.tell = listener
  }
  onExit(listener: (code: number | null, how: string) => void): void {
    this.end = listener
  }
}

function scene(options: { capacityPerSecond?: number } = {}) {
  const clock = new VirtualClock()
  const puppets: Puppet[] = []
  const start = () => {
    const puppet = new Puppet(puppets.length + 1)
    puppets.push(puppet)
    return puppet
  }
  // Always the longest backoff.
  const random = { next: () => 1, bytes: () => new Uint8Array() }
  const pool = new WorkerPool({ clock, random, start, backoff: { baseMs: 1_000, capMs: 4_000 }, ...options })
  const events: string[] = []
  pool.on('broken', ({ pid, how, retryInMs }) => events.push(`${pid} broken: ${how}, ${retryInMs} ms`))
  pool.on('ended', ({ pid }) => events.push(`${pid} ended`))
  const ready = (...pids: readonly number[]) => {
    for (const pid of pids) puppets[pid - 1]?.tell({ forebay: 'ready' })
  }
  const of = (pid: number) => puppets[pid - 1] as Puppet
  return { clock, pool, puppets, of, ready, events }
}

describe('a pool of processes', () => {
  it('starts as many as it is told, and counts those that are ready', () => {
    const { pool, puppets, ready } = scene()
    pool.scaleTo(3)
    expect(pool.workers()).toEqual({ ready: 0, starting: 3 })
    ready(1, 2)
    pool.scaleTo(3)
    expect([pool.workers(), puppets.length]).toEqual([{ ready: 2, starting: 1 }, 3])
  })

  it('gets smaller by draining: those that start first, then the youngest; nobody is killed', async () => {
    const { clock, pool, of, puppets, ready } = scene()
    pool.scaleTo(4)
    ready(1, 2, 3)
    pool.scaleTo(2)
    expect(puppets.map(({ asked }) => asked)).toEqual([undefined, undefined, 'drain', 'drain'])
    expect([pool.workers(), pool.draining]).toEqual([{ ready: 2, starting: 0 }, 2])
    await clock.advance(3_600_000)
    expect(of(3).asked).toBe('drain')
    // Those that go are not taken back: new ones are started.
    pool.scaleTo(3)
    expect([pool.workers(), puppets.length]).toEqual([{ ready: 2, starting: 1 }, 5])
  })

  it('starts a broken one again after a backoff that doubles, for all together, and begins anew after a minute', async () => {
    const { clock, pool, of, ready, events, puppets } = scene()
    pool.scaleTo(2)
    ready(1, 2)
    of(1).end(7, 'code 7')
    expect(pool.workers()).toEqual({ ready: 1, starting: 1 })
    await clock.advance(999)
    expect(puppets).toHaveLength(2)
    await clock.advance(1)
    expect(puppets).toHaveLength(3)
    of(2).end(null, 'signal SIGSEGV')
    of(3).end(1, 'code 1')
    await clock.advance(4_000)
    expect(events).toEqual([
      '1 broken: code 7, 1000 ms',
      '2 broken: signal SIGSEGV, 2000 ms',
      '3 broken: code 1, 4000 ms',
    ])
    ready(4, 5)
    await clock.advance(61_000)
    of(4).end(0, 'code 0')
    expect(events.at(-1)).toBe('4 broken: code 0, 1000 ms')
  })

  it('forgets a broken one that is not needed any more', async () => {
    const { clock, pool, of, puppets, ready } = scene()
    pool.scaleTo(2)
    ready(1, 2)
    of(1).end(7, 'code 7')
    pool.scaleTo(1)
    await clock.advance(60_000)
    expect([puppets.length, pool.workers(), of(2).asked]).toEqual([2, { ready: 1, starting: 0 }, undefined])
  })

  it('stops within its grace, kills what is left, starts nothing more, and works twice', async () => {
    const { clock, pool, of, puppets, ready, events } = scene()
    pool.scaleTo(2)
    ready(1, 2)
    let isStopped = false
    const stopping = pool.stop({ graceMs: 5_000 }).then(() => {
      isStopped = true
    })
    of(1).end(0, 'code 0')
    await clock.advance(4_999)
    expect([isStopped, of(2).asked]).toEqual([false, 'drain'])
    await clock.advance(1)
    await stopping
    expect([of(2).asked, events]).toEqual(['kill', ['1 ended', '2 ended']])
    await pool.stop()
    pool.scaleTo(3)
    expect(puppets).toHaveLength(2)
  })
})

describe('what a pool tells of its work', () => {
  it('is what its workers told, those that are gone included', () => {
    const { pool, of, ready } = scene({ capacityPerSecond: 40 })
    expect(pool.work()).toMatchObject({ finished: 0, serviceMs: undefined, capacityPerSecond: 40 })
    pool.scaleTo(2)
    ready(1, 2)
    of(1).tell(workMessage({ finished: 10, serviceMs: 100, serviceDeviationMs: 20, capacityPerSecond: 50 }))
    of(2).tell(workMessage({ finished: 5, serviceMs: 200, serviceDeviationMs: 40, capacityPerSecond: 0 }))
    expect(pool.work()).toMatchObject({ finished: 15, serviceMs: 150, serviceDeviationMs: 30, capacityPerSecond: 0 })
    of(2).tell(workMessage({ finished: 6, capacityPerSecond: Number.POSITIVE_INFINITY }))
    expect(pool.work()).toMatchObject({ finished: 16, serviceMs: 100, serviceDeviationMs: 20, capacityPerSecond: 50 })
    pool.scaleTo(1)
    of(2).end(0, 'code 0')
    expect(pool.work().finished).toBe(16)
  })

  it('is also how long the slowest of its latest workers took to start, each from its own start', async () => {
    const { clock, pool, of, ready } = scene()
    pool.scaleTo(2)
    expect(pool.work().startUpMs).toBeUndefined()
    await clock.advance(300)
    ready(1)
    expect(pool.work().startUpMs).toBe(300)
    await clock.advance(400)
    ready(2)
    expect(pool.work().startUpMs).toBe(700)
    // One that broke is started anew, and its time runs from then.
    of(1).end(1, 'code 1')
    await clock.advance(60_000)
    await clock.advance(200)
    ready(3)
    expect(pool.work().startUpMs).toBeGreaterThan(700)
    for (let count = 3; count <= 9; count++) {
      pool.scaleTo(count)
      ready(count + 1)
    }
    expect(pool.work().startUpMs).toBeGreaterThan(700)
    pool.scaleTo(10)
    ready(11)
    expect(pool.work().startUpMs).toBe(0)
  })

  it('leaves alone what others say over the same channel', () => {
    const { pool, of } = scene()
    pool.scaleTo(1)
    for (const message of ['ready', null, { forebay: 'else' }, { ready: true }]) of(1).tell(message)
    expect([pool.workers(), pool.work().finished]).toEqual([{ ready: 0, starting: 1 }, 0])
  })
})
