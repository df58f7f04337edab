import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ExpiringMap } from './expiring-map.ts'
import { Heap } from './heap.ts'

interface Item {
  readonly value: number
  slot: number
}

test('whatever is pushed and removed, the rest comes out in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(50), fc.boolean()), { size: 'large' }),
      fc.infiniteStream(fc.nat()),
      (row, pick) => {
        const heap = new Heap<'slot', Item>('slot', (a, b) => a.value < b.value)
        const inside: Item[] = []
        for (const [value, removes] of row) {
          if (removes && inside.length > 0) {
            const [item] = inside.splice(pick.next().value % inside.length, 1)
            heap.remove(item as Item)
            expect(item?.slot).toBe(-1)
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
