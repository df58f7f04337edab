import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ExpiringMap } from './expiring-map.ts'
import { Heap } from './heap.ts'

interface Item {
  value: number
  slot: number
}

test('whatever is pushed, moved and removed, the rest comes out in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(50), fc.constantFrom('push', 'push', 'move', 'remove')), { size: 'large' }),
      fc.infiniteStream(fc.nat()),
      (row, pick) => {
        const heap = new Heap<'slot', Item>('slot', (a, b) => a.value < b.value)
        const inside: Item[] = []
        for (const [value, what] of row) {
          const at = pick.next().value % Math.max(1, inside.length)
          const item = inside[at]
          if (what === 'remove' && item) {
            inside.splice(at, 1)
            heap.remove(item)
            expect(item.slot).toBe(-1)
          } else if (what === 'move' && item) {
            item.value = value
            heap.moved(item)
          } else {
            const item = { value, slot: -1 }
            inside.push(item)
            heap.push(item)
          }
        }
        const out = Array.from({ length: inside.length }, () => heap.pop()?.value)
        expect(out).toEqual(inside.map(({ value }) => value).sort((a, b) => a - b))
        expect(heap.size).toBe(0)
        expect(heap.pop()).toBeUndefined()
      },
    ),
  )
})

test('a sample is all of few, and of many an even part', () => {
  const heap = new Heap<'slot', Item>('slot', (a, b) => a.value < b.value)
  for (let value = 0; value < 1_000; value++) heap.push({ value, slot: -1 })
  expect(heap.sample(1_000)).toHaveLength(1_000)
  const values = heap.sample(100).map(({ value }) => value)
  expect(new Set(values).size).toBe(100)
  expect(values.filter((value) => value < 500)).toHaveLength(50)
})

test('an entry is there until its time, and a new one of its key has a time of its own', () => {
  const map = new ExpiringMap<string>()
  map.set('a', 'first', 100, 0)
  map.set('b', 'other', 50, 0)
  expect(map.get('a', 99)).toBe('first')
  expect(map.get('b', 50)).toBeUndefined()
  map.set('a', 'second', 200, 99)
  expect(map.get('a', 150)).toBe('second')
  expect(map.get('a', 200)).toBeUndefined()
})
