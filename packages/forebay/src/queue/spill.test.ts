import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import type { TaskInput } from '../task.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'

let names = 0

/** A queue that spills, and doors to both of its backends that nobody watches. */
async function scene({ maxDepth = 2, ...more }: { maxDepth?: number; maxBytes?: number } = {}) {
  const clock = new VirtualClock()
  const name = names++
  const door = (which: string) => openMemory({ name: `${which}-${name}`, clock })
  const calls: string[] = []
  const open = async () => {
    const [main, spill] = [counted(door('main'), 'main', calls), counted(door('spill'), 'spill', calls)]
    const overflow = { policy: 'spill', to: spill } as const
    const options = { clock, random: seededRandom(1), maxDepth, overflow, ...more }
    return { queue: await LoadLevelingQueue.open(main, options), spill }
  }
  // These keep what lies there while no queue has it open.
  const [main, spilled] = [door('main'), door('spill')]
  const { queue, spill } = await open()
  return { clock, queue, spill, open, main, spilled, calls }
}

/** Notes each call. */
function counted(service: QueueService, name: string, calls: string[]): QueueService {
  for (const method of ['push', 'claim', 'settle', 'depth', 'find'] as const) {
    const original = service[method].bind(service) as (...args: unknown[]) => unknown
    Object.assign(service, {
      [method]: (...args: unknown[]) => {
        calls.push(`${name}.${method}`)
        return original(...args)
      },
    })
  }
  return service
}

const tasks = (from: number, count: number): TaskInput[] =>
  Array.from({ length: count }, (_, n) => ({ type: 't', payload: from + n, id: String(from + n) }))

/** Takes out what is ready, in its order. */
async function drain(service: QueueService, max: number): Promise<string[]> {
  const claims = await service.claim({ max, leaseMs: 60_000, waitMs: 0 })
  await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  return claims.map(({ task }) => task.payload)
}

describe('overflow: spill', () => {
  it('takes what does not fit, keeps newcomers behind it, and brings all back in order as there is room', async () => {
    const { clock, queue, spilled } = await scene()
    const events: string[] = []
    queue.on('spilled', ({ id }) => events.push(`spilled ${id}`))
    queue.on('returned', ({ id }) => events.push(`returned ${id}`))
    const results = await queue.enqueueMany(tasks(0, 4))
    expect(results).toEqual([
      { status: 'accepted', id: '0' },
      { status: 'accepted', id: '1' },
      { status: 'accepted', id: '2', spilled: true },
      { status: 'accepted', id: '3', spilled: true },
    ])
    expect(await queue.depth()).toMatchObject({ ready: 2 })
    expect(await queue.spilled()).toMatchObject({ ready: 2 })
    const order = await drain(queue.service, 1)
    // There is room now, but others were there before.
    expect(await queue.enqueue({ type: 't', payload: 4, id: '4' })).toMatchObject({ spilled: true })
    while (order.length < 5) {
      await clock.advance(60)
      order.push(...(await drain(queue.service, 1)))
    }
    expect(order).toEqual(['0', '1', '2', '3', '4'])
    const told = (what: string) => events.filter((event) => event.startsWith(what))
    expect(told('spilled')).toEqual(['spilled 2', 'spilled 3', 'spilled 4'])
    expect(told('returned')).toEqual(['returned 2', 'returned 3', 'returned 4'])
    expect(queue.counts).toMatchObject({ accepted: 5, spilled: 3, returned: 3 })
    expect(await spilled.depth()).toMatchObject({ ready: 0, inFlight: 0, totals: { accepted: 3, completed: 3 } })
    await clock.advance(1_000)
    expect(await queue.enqueue({ type: 't', payload: 5 })).not.toHaveProperty('spilled')
  })

  it('asks neither backend while nothing happens, full or empty, but for one look a second at the full one', async () => {
    const { clock, queue, calls } = await scene()
    await clock.advance(1_000)
    calls.length = 0
    await clock.advance(15_000)
    expect(calls).toEqual([])
    await queue.enqueueMany(tasks(0, 4))
    await clock.advance(1_000)
    calls.length = 0
    await clock.advance(15_000)
    expect(calls).toEqual(new Array(15).fill('main.depth'))
    await queue.close()
  })

  it('brings back what earlier processes have left, also without a producer', async () => {
    const { clock, queue, open, main } = await scene()
    await queue.enqueueMany(tasks(0, 4))
    await queue.close()
    expect(await drain(main, 9)).toEqual(['0', '1'])
    const next = await open()
    await clock.advance(100)
    expect(await drain(main, 9)).toEqual(['2', '3'])
    expect(next.queue.counts).toMatchObject({ accepted: 0, returned: 2 })
  })

  it('sees within a quarter of a second that another process has spilled', async () => {
    const { queue, open, clock, spilled } = await scene()
    const { queue: other, spill } = await open()
    Object.assign(spill, { capabilities: { ...spill.capabilities, sharedByProcesses: true } })
    await queue.enqueueMany(tasks(0, 3))
    // Somebody settles where no mover of these learns of it at once.
    await clock.advance(251)
    await other.enqueue({ type: 't', payload: 'looks', id: 'looks' })
    expect(await other.enqueue({ type: 't', payload: 'x', id: 'x' })).toMatchObject({ spilled: true })
    expect((await spilled.depth()).ready).toBeGreaterThanOrEqual(2)
  })

  it('knows a task that is there already, in the queue, in the spill, and while it is moved', async () => {
    const { queue, clock } = await scene({ maxDepth: 1 })
    await queue.enqueueMany([
      { type: 't', payload: 'main', id: 'm', dedupId: 'dm' },
      { type: 't', payload: 'spill', id: 's', dedupId: 'ds' },
    ])
    const again = (payload: string, name: object) => queue.enqueueMany([{ type: 't', payload, ...name }])
    expect(await again('main', { id: 'm' })).toEqual([{ status: 'duplicate', id: 'm' }])
    expect(await again('main', { dedupId: 'dm' })).toEqual([{ status: 'duplicate', id: 'm' }])
    expect(await again('spill', { id: 's' })).toEqual([{ status: 'duplicate', id: 's' }])
    expect(await again('spill', { dedupId: 'ds' })).toEqual([{ status: 'duplicate', id: 's' }])
    for (const [payload, dedupId] of [
      ['other', 'dm'],
      ['other', 'ds'],
    ] as const) {
      expect(await again(payload, { dedupId })).toMatchObject([
        { status: 'refused', error: { code: 'DEDUP_CONFLICT' } },
      ])
    }
    await drain(queue.service, 1)
    await clock.advance(100)
    expect(await queue.spilled()).toMatchObject({ ready: 0 })
    expect(await again('spill', { dedupId: 'ds' })).toEqual([{ status: 'duplicate', id: 's' }])
    await drain(queue.service, 1)
    expect(await again('spill', { dedupId: 'ds' })).toEqual([{ status: 'duplicate', id: 's' }])
  })

  it('finds a task that lies in the spill, as delayed and without headers of ours', async () => {
    const { queue, clock } = await scene({ maxDepth: 1 })
    await queue.enqueueMany([...tasks(0, 1), { type: 't', payload: 1, id: '1', headers: { trace: 'x' }, delayMs: 5 }])
    expect(await queue.find('1')).toMatchObject({ state: 'delayed', task: { payload: '1', headers: { trace: 'x' } } })
    expect((await queue.find('1')) as object).not.toHaveProperty('task.headers.forebay-spilled')
    await drain(queue.service, 1)
    await clock.advance(100)
    expect(await queue.find('1')).toMatchObject({ state: 'ready', task: { headers: { trace: 'x' } } })
    expect(await queue.find('nobody')).toBeUndefined()
  })

  it('counts the time in the spill towards the delay, and keeps all else', async () => {
    const { queue, clock } = await scene({ maxDepth: 1 })
    const more = { delayMs: 3_000, ttlMs: 10_000, priority: 2, key: 'k', cost: 3, headers: { trace: 'x' } }
    await queue.enqueueMany([...tasks(0, 1), { type: 't', payload: 1, id: '1', ...more }])
    await clock.advance(1_500)
    await drain(queue.service, 1)
    await clock.advance(1_499)
    expect(await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })).toEqual([])
    await clock.advance(1)
    const [claim] = await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
    const task = { id: '1', priority: 2, key: 'k', cost: 3, headers: { trace: 'x' } }
    expect(claim).toMatchObject({ expired: false, task })
    if (claim) await queue.service.settle([{ claim, outcome: 'release', delayMs: 0 }])
    await clock.advance(7_001)
    expect(await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })).toMatchObject([{ expired: true }])
  })

  it('never brings back what has expired there, and tells of it', async () => {
    const { queue, clock, spilled } = await scene({ maxDepth: 1 })
    const expired: unknown[] = []
    queue.on('expired', ({ task: { payload, headers } }) => expired.push([payload, headers]))
    const late = { type: 't', payload: 'late', ttlMs: 1_000, headers: { trace: 'x' } }
    await queue.enqueueMany([...tasks(0, 1), late, ...tasks(1, 1)])
    await clock.advance(1_500)
    expect(await drain(queue.service, 1)).toEqual(['0'])
    await clock.advance(100)
    expect(await drain(queue.service, 9)).toEqual(['1'])
    expect(expired).toEqual([['"late"', { trace: 'x' }]])
    expect(queue.counts).toMatchObject({ spilled: 2, returned: 1, expired: 1 })
    expect((await spilled.depth()).totals).toMatchObject({ accepted: 2, completed: 1, expired: 1 })
  })

  it('keeps the order of a key exactly, also past tasks that are too large for what is left', async () => {
    const { queue, clock } = await scene({ maxDepth: 4, maxBytes: 30 })
    const ordered = (payload: string, id: string) => ({ type: 't', payload, id, key: 'k', ordered: true })
    await queue.enqueueMany([ordered('a'.repeat(18), 'a'), ordered('b'.repeat(15), 'b'), ordered('c', 'c')])
    const order: string[] = []
    while (order.length < 3) {
      order.push(...(await drain(queue.service, 9)))
      await clock.advance(60)
    }
    expect(order.map((payload) => payload[1])).toEqual(['a', 'b', 'c'])
  })

  it('refuses an ordered task, or a dedup window, that the spill cannot keep', async () => {
    const { queue, spill } = await scene({ maxDepth: 1 })
    Object.assign(spill, { capabilities: { ...spill.capabilities, keyOrder: false, maxDedupWindowMs: 1_000 } })
    await queue.enqueueMany(tasks(0, 1))
    for (const wish of [{ key: 'k', ordered: true }, { dedupId: 'd' }]) {
      await expect(queue.enqueue({ type: 't', payload: 1, ...wish })).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        path: 'overflow.to',
      })
    }
    expect((await queue.enqueue({ type: 't', payload: 1 })).spilled).toBe(true)
  })

  it('says so when the spill does not answer, and of the others what is true', async () => {
    const { queue, spill } = await scene({ maxDepth: 1 })
    const { push } = spill
    spill.push = () => Promise.reject(new ForebayError('DISK_FULL', 'The disk is full. Nothing was stored.'))
    const results = await queue.enqueueMany(tasks(0, 2))
    expect(results).toMatchObject([{ status: 'accepted' }, { status: 'refused', error: { code: 'DISK_FULL' } }])
    spill.push = push
    expect(await queue.enqueue({ type: 't', payload: 1 })).toMatchObject({ spilled: true })
  })

  it('goes on by itself when either backend was away, and tells about it', async () => {
    const { queue, spill, main, clock } = await scene()
    const errors: string[] = []
    queue.on('error', ({ error }) => errors.push(error.message))
    await queue.enqueueMany(tasks(0, 4))
    const { settle } = spill
    const { push } = queue.service
    queue.service.push = () => Promise.reject(new Error('main is away'))
    await drain(queue.service, 2)
    await clock.advance(3_000)
    expect(errors[0]).toBe('main is away')
    queue.service.push = push
    spill.settle = () => Promise.reject(new Error('spill is away'))
    await clock.advance(6_000)
    expect(errors.at(-1)).toBe('spill is away')
    spill.settle = settle
    await clock.advance(60_000)
    expect(await drain(main, 9)).toEqual(['2', '3'])
    await clock.advance(1_000)
    expect(await queue.spilled()).toMatchObject({ ready: 0, inFlight: 0, delayed: 0 })
    expect((await main.depth()).totals?.accepted).toBe(4)
  })

  it('moves a task once, although the answer to its settlement was lost and it was completed meanwhile', async () => {
    const { queue, spill, main, clock } = await scene()
    await queue.enqueueMany(tasks(0, 3))
    const { settle } = spill
    spill.settle = () => {
      spill.settle = settle
      return Promise.reject(new Error('connection reset'))
    }
    await drain(queue.service, 2)
    await clock.advance(200)
    expect(await drain(main, 9)).toEqual(['2'])
    await clock.advance(60_000)
    expect(await drain(main, 9)).toEqual([])
    expect((await main.depth()).totals).toMatchObject({ accepted: 3, completed: 3 })
    expect(await queue.spilled()).toMatchObject({ ready: 0, inFlight: 0 })
  })

  it('runs an acknowledged task although its dedup id has come to belong to another', async () => {
    const { queue, main, clock } = await scene({ maxDepth: 1 })
    await queue.enqueueMany([...tasks(0, 1), { type: 't', payload: 'mine', dedupId: 'd' }])
    // Another process that did not know that something had spilled.
    await drain(main, 1)
    const dedup = { id: 'd', windowMs: 60_000 }
    await main.push([{ id: 'x', type: 't', payload: '"theirs"', priority: 0, delayMs: 0, dedup }])
    await drain(main, 1)
    await clock.advance(2_000)
    expect(await drain(main, 9)).toEqual(['"mine"'])
  })

  it('refuses to spill into itself, and into memory what another backend keeps', async () => {
    const service = openMemory()
    const opened = (to: QueueService | string, where: QueueService | string = service) =>
      LoadLevelingQueue.open(where, { maxDepth: 1, overflow: { policy: 'spill', to } })
    await expect(opened(service)).rejects.toMatchObject({ code: 'INVALID_OPTION', path: 'overflow.to' })
    await expect(opened('memory:a', 'memory:a')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const durable = openMemory()
    Object.assign(durable, { capabilities: { ...durable.capabilities, durability: 'disk' } })
    await expect(opened('memory:', durable)).rejects.toMatchObject({ code: 'INVALID_OPTION', path: 'overflow.to' })
  })

  it('law: whatever comes and goes, all that were accepted run once, those of one producer in their order', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enqueue' as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('drain' as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('advance' as const), count: fc.integer({ min: 0, max: 600 }) }),
      fc.record({ kind: fc.constant('restart' as const), count: fc.constant(0) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 4 }), async (steps, maxDepth) => {
        const { clock, queue: first, open, main, spilled } = await scene({ maxDepth })
        let queue = first
        let n = 0
        const order: string[] = []
        for (const { kind, count } of steps) {
          if (kind === 'enqueue') {
            const results = await queue.enqueueMany(tasks(n, count))
            expect(results.every(({ status }) => status === 'accepted')).toBe(true)
            n += count
          } else if (kind === 'drain') order.push(...(await drain(queue.service, count)))
          else if (kind === 'advance') await clock.advance(count)
          else {
            await Promise.all([queue.close(), clock.advance(10)])
            queue = (await open()).queue
          }
          const { ready, delayed, inFlight } = await main.depth()
          expect(ready + delayed + inFlight).toBeLessThanOrEqual(maxDepth)
        }
        for (let round = 0; order.length < n && round < 200; round++) {
          await clock.advance(1_000)
          order.push(...(await drain(main, 9)))
        }
        expect(order).toEqual(Array.from({ length: n }, (_, index) => String(index)))
        expect(await spilled.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0 })
        await Promise.all([queue.close(), clock.advance(10)])
        await Promise.all([main.close(), spilled.close()])
      }),
      { numRuns: 1_000 },
    )
  })
})
