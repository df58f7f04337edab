import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import type { Depth } from './queue-service.ts'
import { Room } from './room.ts'

it('counts what this process does at once, and what others do within a fifth of a second', async () => {
  const clock = new VirtualClock()
  let ready = 3
  let asked = 0
  const room = new Room(
    'rabbitmq',
    clock,
    async () => {
      asked++
      return { ready, delayed: 1, inFlight: 1, dead: 9 } as Depth
    },
    200,
  )
  expect(await Promise.all([room.take(4, { maxDepth: 10 }), room.take(4, { maxDepth: 10 })])).toEqual([4, 1])
  expect(asked).toBe(1)
  room.left(2)
  expect(await room.take(9, { maxDepth: 10 })).toBe(2)
  ready = 0
  await clock.advance(199)
  expect(await room.take(1, { maxDepth: 10 })).toBe(0)
  await clock.advance(1)
  expect(await room.take(99, { maxDepth: 10 })).toBe(8)
  expect(await room.take(99, {})).toBe(99)
  expect(asked).toBe(2)
})

it('bounds that it can not keep are refused', async () => {
  const room = new Room('rabbitmq', new VirtualClock(), () => Promise.reject(new Error('not asked')))
  await expect(room.take(1, { maxBytes: 5 })).rejects.toMatchObject({ code: 'UNSUPPORTED', path: 'maxBytes' })
  await expect(room.take(1, { overflow: 'drop-oldest' })).rejects.toMatchObject({ path: 'overflow' })
})
