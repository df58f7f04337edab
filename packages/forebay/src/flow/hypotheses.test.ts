import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Hypotheses } from './hypotheses.ts'

const positive = fc.double({ min: 1e-3, max: 10, noNaN: true })
const cell = fc.record({ weight: positive, mean: fc.double({ min: -10, max: 10, noNaN: true }), variance: positive })
const line = fc.array(cell, { minLength: 1, maxLength: 30 })

type Cell = typeof cell extends fc.Arbitrary<infer Value> ? Value : never

function made(cells: readonly Cell[]): Hypotheses {
  const hypotheses = new Hypotheses(Float64Array.from(cells, ({ weight }) => weight))
  cells.forEach(({ mean, variance }, index) => hypotheses.set(index, mean, variance))
  return hypotheses
}

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)

/** The law of `spread`, over all pairs of cells. */
function spreadByPairs(cells: readonly Cell[], stays: number, toNext: number, reach: number): Cell[] {
  const total = sum(cells.map(({ weight }) => weight))
  const all = cells.map((_, to) => {
    let [weight, first, second] = [0, 0, 0]
    cells.forEach((from, at) => {
      const distance = Math.abs(to - at)
      const share = distance === 0 ? stays : toNext * reach ** (distance - 1)
      weight += (share * from.weight) / total
      first += ((share * from.weight) / total) * from.mean
      second += ((share * from.weight) / total) * (from.variance + from.mean ** 2)
    })
    return { weight, mean: first / weight, variance: second / weight - (first / weight) ** 2 }
  })
  const left = sum(all.map(({ weight }) => weight))
  return all.map((one) => ({ ...one, weight: one.weight / left }))
}

describe('Hypotheses', () => {
  it('law: spreads as the sum over all pairs of cells says', () => {
    const share = fc.double({ min: 0.01, max: 0.49, noNaN: true })
    const reach = fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 0.95, noNaN: true }))
    fc.assert(
      fc.property(line, share, reach, (cells, toNext, reach) => {
        const hypotheses = made(cells)
        hypotheses.spread(1 - 2 * toNext, toNext, reach)
        const expected = spreadByPairs(cells, 1 - 2 * toNext, toNext, reach)
        expected.forEach((one, index) => {
          expect(hypotheses.weight[index]).toBeCloseTo(one.weight, 9)
          expect(hypotheses.mean[index]).toBeCloseTo(one.mean, 6)
          expect(hypotheses.variance[index]).toBeCloseTo(one.variance, 6)
        })
        expect(sum(hypotheses.weight)).toBeCloseTo(1, 9)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: weighs by Bayes, whatever is added to all likelihoods, and holds nothing impossible', () => {
    const likelihood = fc.double({ min: -2_000, max: 0, noNaN: true })
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, likelihood), { minLength: 1, maxLength: 20 }), (pairs) => {
        const hypotheses = made(pairs.map(([one]) => one))
        const most = Math.max(...pairs.map(([, log]) => log))
        const products = pairs.map(([{ weight }, log]) => weight * Math.exp(log - most))
        hypotheses.weigh(Float64Array.from(pairs, ([, log]) => log))
        products.forEach((product, index) => {
          expect(hypotheses.weight[index]).toBeCloseTo(product / sum(products), 9)
          expect(hypotheses.weight[index]).toBeGreaterThan(0)
        })
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: a quantile grows with its share, and half of the weight lies on either side of the middle one', () => {
    const share = fc.double({ min: 0.001, max: 0.999, noNaN: true })
    fc.assert(
      fc.property(line, share, share, (cells, one, other) => {
        const hypotheses = made(cells)
        const [less, more] = [Math.min(one, other), Math.max(one, other)]
        expect(hypotheses.quantile(less)).toBeLessThanOrEqual(hypotheses.quantile(more))
        // The weight below a place, a cell's weight lying evenly around its own.
        const below = (place: number) =>
          sum(Array.from(hypotheses.weight, (weight, at) => weight * Math.min(1, Math.max(0, place - at + 0.5))))
        expect(below(hypotheses.quantile(one))).toBeCloseTo(one, 6)
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps a variance from becoming 0, and finds the end of the line', () => {
    const hypotheses = made([{ weight: 1, mean: 1, variance: 1 }])
    hypotheses.set(0, 5, 0)
    expect(hypotheses.variance[0]).toBeGreaterThan(0)
    expect(hypotheses.overallMean).toBe(5)
    expect(hypotheses.quantile(2)).toBe(0.5)
  })
})
