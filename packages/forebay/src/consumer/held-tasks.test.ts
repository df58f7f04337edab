import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Held, HeldTasks } from './held-tasks.ts'

const held = (since: number) => ({ since, claim: { task: { cost: since } } }) as unknown as Held

it('law: it is a list from whose front batches are taken, however many were', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 400 }) }) },
    { weight: 8, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 300 }) }) },
    { weight: 1, arbitrary: fc.constant('all' as const) },
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 30 }), (maxTasks, steps) => {
      const tasks = new HeldTasks({ maxTasks, maxWaitMs: 5 })
      let model: number[] = []
      let next = 0
      for (const one of steps) {
        if (one === 'all') {
          expect(tasks.takeAll().map(({ since }) => since)).toEqual(model)
          model = []
        } else if ('add' in one) {
          for (let n = 0; n < one.add; n++) {
            model.push(next)
            tasks.add(held(next++))
          }
        } else {
          for (let n = 0; n < one.take; n++) {
            const taken = tasks.take().map(({ since }) => since)
            if (taken.join() !== model.splice(0, maxTasks).join()) throw new Error(`took ${taken}`)
          }
        }
        expect([tasks.size, tasks.attempts]).toEqual([model.length, Math.ceil(model.length / maxTasks)])
        expect(tasks.waitingSince).toBe(model.length === 0 ? Infinity : (model[0] as number) + 5)
        const sums = (from: number) => {
          const costs: number[] = []
          for (let at = from * maxTasks; at < model.length; at += maxTasks)
            costs.push(model.slice(at, at + maxTasks).reduce((sum, cost) => sum + cost, 0))
          return costs
        }
        expect(tasks.costs(1)).toEqual(sums(1))
      }
    }),
    { numRuns: 1_000 },
  )
})
