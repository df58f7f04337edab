import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import type { Bounds, Depth, NewTask, PushResult, Settlement } from './queue-service.ts'
import { Room } from './room.ts'

const tasks = (count: number): NewTask[] =>
  Array.from({ length: count }, (_, n) => ({ id: `t${n}`, type: 't', payload: '1', priority: 0, delayMs: 0 }))
const accepted = ({ id }: NewTask): PushResult => ({ status: 'accepted', id })

/** How many were stored, and how many were full. */
async function pushed(room: Room, count: number, bounds: Bounds, store = async (some: readonly NewTask[]) => some) {
  const results = await room.push(tasks(count), bounds, undefined, async (some) => (await store(some)).map(accepted))
  const full = results.filter(({ status }) => status === 'full').length
  return [results.length - full, full]
}

const settlement = (outcome: string) => ({ claim: { id: 'a', token: 'a' }, outcome }) as unknown as Settlement

it('counts what this process does at once, and what others do within a fifth of a second', async () => {
  const clock = new VirtualClock()
  let ready = 3
  let asked = 0
  const depth = async () => {
    asked++
    return { ready, delayed: 1, inFlight: 1, dead: 9 } as Depth
  }
  const room = new Room('rabbitmq', clock, depth, 200)
  const bounds = { maxDepth: 10 }
  expect(await Promise.all([pushed(room, 4, bounds), pushed(room, 4, bounds)])).toEqual([
    [4, 0],
    [1, 3],
  ])
  expect(asked).toBe(1)
  const outcomes = ['complete', 'dead', 'expire', 'retry', 'release'].map(settlement)
  room.noteSettled(outcomes, [
    { status: 'settled' },
    { status: 'settled' },
    { status: 'stale' },
    { status: 'settled' },
    { status: 'settled' },
  ])
  expect(await pushed(room, 9, bounds)).toEqual([2, 7])
  ready = 0
  await clock.advance(199)
  expect(await pushed(room, 1, bounds)).toEqual([0, 1])
  await clock.advance(1)
  expect(await pushed(room, 99, bounds)).toEqual([8, 91])
  expect(await pushed(room, 99, {})).toEqual([99, 0])
  expect(asked).toBe(2)
})

it('what was not stored has taken no room; where nobody knows it counts until the next look', async () => {
  const clock = new VirtualClock()
  const room = new Room('sqs', clock, async () => ({ ready: 0, delayed: 0, inFlight: 0 }) as Depth)
  const bounds = { maxDepth: 3 }
  const failing = () => Promise.reject(new Error('no answer'))
  await expect(pushed(room, 3, bounds, failing)).rejects.toThrow('no answer')
  expect(await pushed(room, 1, bounds)).toEqual([0, 1])
  await clock.advance(500)
  const twice = async (some: readonly NewTask[]) => some.map(({ id }): PushResult => ({ status: 'duplicate', id }))
  expect((await room.push(tasks(2), bounds, undefined, twice)).map(({ status }) => status)).toEqual([
    'duplicate',
    'duplicate',
  ])
  expect(await room.push(tasks(4), bounds, undefined, async () => undefined)).toEqual([
    ...tasks(3).map(accepted),
    { status: 'full', bound: 'depth' },
  ])
})

it('bounds that it can not keep are refused, and transactions, and nothing is asked or stored', async () => {
  const never = () => Promise.reject(new Error('not asked'))
  const room = new Room('rabbitmq', new VirtualClock(), never)
  const push = (bounds: Bounds, transaction?: unknown) => room.push(tasks(1), bounds, transaction, never)
  await expect(push({ maxBytes: 5 })).rejects.toMatchObject({ code: 'UNSUPPORTED', path: 'maxBytes' })
  await expect(push({ overflow: 'drop-oldest' })).rejects.toMatchObject({ path: 'overflow' })
  await expect(push({}, {})).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: 'The rabbitmq backend cannot push within a transaction; nothing was stored.',
  })
})
