import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bag } from './bag.ts'

it('law: it has what was added and not deleted, as a set does', () => {
  const step = fc.record({ add: fc.boolean(), which: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const bag = new Bag<{ readonly name: number; place: number }>()
      const model = new Set<number>()
      const items = Array.from({ length: 21 }, (_, name) => ({ name, place: -1 }))
      for (const { add, which } of steps) {
        const item = items[which] as (typeof items)[number]
        if (!add) bag.delete(item)
        else if (!model.has(which)) bag.add(item)
        if (add) model.add(which)
        else model.delete(which)
        expect(bag.size).toBe(model.size)
        expect(
          bag
            .all()
            .map(({ name }) => name)
            .sort((a, b) => a - b),
        ).toEqual([...model].sort((a, b) => a - b))
      }
    }),
    { numRuns: 1_000 },
  )
})
