import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { inWindows } from './windows.ts'

test('all are begun in their order, so many at a time, by number and by size', async () => {
  const clock = new VirtualClock()
  const begun: number[] = []
  let running = 0
  let most = 0
  const act = (item: number) =>
    new Promise<void>((resolve) => {
      begun.push(item)
      most = Math.max(most, ++running)
      clock.after(10, () => {
        running--
        resolve()
      })
    })
  const items = Array.from({ length: 1_200 }, (_, item) => item)
  const small = inWindows(items, () => 1, act)
  await clock.advance(100)
  await small
  expect(begun).toEqual(items)
  expect(most).toBe(500)
  most = 0
  const large = inWindows(items.slice(0, 20), () => 1_024 * 1_024, act)
  await clock.advance(100)
  await large
  expect(most).toBe(4)
})

test('a failure is told when all of its window have ended, and nothing more is begun', async () => {
  const begun: number[] = []
  const work = inWindows(
    Array.from({ length: 600 }, (_, item) => item),
    () => 1,
    async (item) => {
      begun.push(item)
      if (item === 3) throw new Error('no')
    },
  )
  await expect(work).rejects.toThrow('no')
  expect(begun.length).toBe(500)
})
