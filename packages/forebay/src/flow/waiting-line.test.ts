import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../random.ts'
import { WaitingLine } from './waiting-line.ts'

describe('WaitingLine', () => {
  it('law: promises come due no faster than places become free', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 1_000, noNaN: true }),
        fc.integer({ min: 1, max: 200 }),
        fc.nat(100),
        (drain, count, gap) => {
          const line = new WaitingLine()
          const told: number[] = []
          for (let k = 0; k < count; k++) told.push(k * gap + line.promise(k * gap, `t${k}`, true, drain))
          told.sort((a, b) => a - b)
          // The k-th return comes when at least k places have become free since the line began.
          told.forEach((at, index) =>
            expect(at < 300_000 ? (at * drain) / 1_000 + 1e-6 : Infinity).toBeGreaterThanOrEqual(index + 1),
          )
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('who obeys gets in, at least 9 times in 10, with three times the load that can be served', () => {
    const random = seededRandom(7)
    const line = new WaitingLine()
    const [bound, drain] = [500, 45]
    let [depth, returned, accepted, freed] = [0, 0, 0, 0]
    let returns: { at: number; id: string }[] = []
    for (let now = 0; now < 90_000; now += 5) {
      freed += (drain * 5) / 1_000
      const leaving = Math.min(Math.floor(freed), depth)
      depth -= leaving
      freed -= leaving
      const due = returns.filter(({ at }) => at <= now)
      returns = returns.filter(({ at }) => at > now)
      const fresh = now < 30_000 && random.next() < 0.675 ? [{ at: now, id: `n${now}` }] : []
      for (const { id } of [...fresh, ...due]) {
        const promised = line.length > 0 && line.redeem(now, id)
        const fits = depth < (promised ? bound : bound - line.reserved(now, bound))
        if (!id.startsWith('n') || due.some((one) => one.id === id)) {
          returned++
          if (fits) accepted++
        }
        if (fits) depth++
        else returns.push({ at: now + line.promise(now, id, true, drain) + random.next() * 20, id })
      }
    }
    expect(returned).toBeGreaterThan(500)
    expect(accepted / returned).toBeGreaterThan(0.9)
  })

  it('an early return keeps its place if its identity is its own, and takes another if it is not', () => {
    const line = new WaitingLine()
    for (let k = 0; k < 10; k++) line.promise(0, `t${k}`, true, 1)
    expect(line.promise(1_000, 't3', true, 1)).toBe(4_000)
    expect(line.length).toBe(10)
    expect(line.redeem(1_000, 't3')).toBe(false)
    line.promise(1_000, 'same', false, 1)
    line.promise(1_000, 'same', false, 1)
    expect(line.length).toBe(12)
  })

  it('a promise is redeemed once, on time or up to a tenth of a second early', () => {
    const line = new WaitingLine()
    const wait = line.promise(0, 'a', true, 100)
    expect(wait).toBe(1_000)
    expect(line.redeem(wait - 101, 'a')).toBe(false)
    expect(line.redeem(wait - 100, 'a')).toBe(true)
    expect(line.redeem(wait, 'a')).toBe(false)
    expect(line.length).toBe(0)
  })

  it('keeps places for promises that fall due soon, at most half of the bound, until they lapse', () => {
    const line = new WaitingLine()
    for (let k = 0; k < 20; k++) line.promise(0, `t${k}`, true, 5)
    expect(line.reserved(0, 1_000)).toBe(4) // those told 1 s
    expect(line.reserved(0, 6)).toBe(3)
    expect(line.reserved(0, 1)).toBe(0)
    expect(line.reserved(10_000, 1_000)).toBe(0)
    expect(line.length).toBe(0)
  })

  it('keeps no place for a promise that was redeemed, and counts it once', () => {
    const line = new WaitingLine()
    for (const id of ['a', 'b', 'c']) line.promise(0, id, true, 100)
    expect(line.redeem(1_000, 'b')).toBe(true)
    expect(line.reserved(1_000, 1_000)).toBe(2)
    expect(line.length).toBe(2)
    expect(line.reserved(60_000, 1_000)).toBe(0)
    expect(line.length).toBe(0)
  })

  it('never tells longer than five minutes', () => {
    const line = new WaitingLine()
    expect(line.promise(0, 'c', true, 0.0001)).toBe(300_000)
  })
})
