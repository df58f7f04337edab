import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fairLevel, type SharedSlots, share } from './shared-slots.ts'

const ask = (slots: SharedSlots | undefined, holder: string, using: number, want: number, limit: number, now: number) =>
  share(slots, { kind: 'share', holder, using, want, limit, leaseMs: 1_000 }, now)

describe('shared slots', () => {
  const move = fc.record({
    holder: fc.nat(4),
    want: fc.nat(20),
    /** The share of what runs that has ended since this holder asked last. */
    ended: fc.double({ min: 0, max: 1, noNaN: true }),
    afterMs: fc.nat(900),
    dies: fc.boolean(),
  })

  it('law: never more than the limit run at once, whoever asks, wants, ends and dies', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 80 }), fc.integer({ min: 1, max: 30 }), (moves, limit) => {
        let slots: SharedSlots | undefined
        let now = 0
        const running = new Map<string, { count: number; until: number }>()
        for (const { holder, want, ended, afterMs, dies } of moves) {
          now += afterMs
          const name = `h${holder}`
          // Who did not renew in time must end what runs: its part is somebody else's now.
          for (const [other, { until }] of running) if (until <= now) running.delete(other)
          const using = Math.floor((running.get(name)?.count ?? 0) * (1 - ended))
          const [next, { allowed }] = ask(slots, name, using, Math.max(using, want), limit, now)
          slots = next
          running.set(name, { count: Math.max(using, dies ? 0 : allowed), until: now + 1_000 })
          const sum = [...running.values()].reduce((total, { count }) => total + count, 0)
          expect(sum).toBeLessThanOrEqual(limit)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: after every holder has asked twice, all wants are met or no slot is free, and nobody has two more than another who wants', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (wants, limit) => {
          let slots: SharedSlots | undefined
          let parts = wants.map(() => 0)
          for (let round = 0; round < 3; round++) {
            parts = wants.map((want, index) => {
              const [next, { allowed }] = ask(slots, `h${index}`, 0, want, limit, round)
              slots = next
              return allowed
            })
          }
          const sum = parts.reduce((total, part) => total + part, 0)
          expect(sum).toBe(
            Math.min(
              limit,
              wants.reduce((total, want) => total + want, 0),
            ),
          )
          const level = Math.ceil(fairLevel(wants, limit))
          parts.forEach((part, index) => expect(part).toBeLessThanOrEqual(Math.min(wants[index] as number, level)))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('law: up to the level all wants that are small are met, and the rest share alike what is left', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 60 }),
        (wants, limit) => {
          const level = fairLevel(wants, limit)
          const given = wants.reduce((sum, want) => sum + Math.min(want, level), 0)
          const wanted = wants.reduce((sum, want) => sum + want, 0)
          expect(given).toBeCloseTo(Math.min(wanted, limit), 6)
        },
      ),
      { numRuns: 1_000 },
    )
    expect(fairLevel([1, 10, 10], 9)).toBe(4)
  })

  it('a newcomer waits until others have ended what runs beyond their part', () => {
    const [first] = ask(undefined, 'a', 0, 10, 10, 0)
    const [second, b] = ask(first, 'b', 0, 10, 10, 1)
    expect(b).toEqual({ allowed: 0, contended: true })
    const [third, a] = ask(second, 'a', 10, 10, 10, 2)
    expect(a).toEqual({ allowed: 5, contended: true })
    const [fourth] = ask(third, 'a', 7, 10, 10, 3)
    expect(ask(fourth, 'b', 0, 10, 10, 4)[1].allowed).toBe(3)
  })

  it('what a holder that died held is free when its lease ends; who leaves frees it at once', () => {
    const [held] = ask(undefined, 'a', 0, 10, 10, 0)
    expect(ask(held, 'b', 0, 10, 10, 999)[1].allowed).toBe(0)
    expect(ask(held, 'b', 0, 10, 10, 1_000)[1]).toEqual({ allowed: 10, contended: false })
    const [left] = ask(held, 'a', 0, 0, 10, 1)
    expect(left.holders).toEqual({})
  })

  it('a smaller limit takes nothing from what runs, and lets nothing more begin', () => {
    const [held] = ask(undefined, 'a', 0, 10, 10, 0)
    const [kept, answer] = ask(held, 'a', 10, 10, 4, 1)
    expect(answer).toEqual({ allowed: 4, contended: true })
    expect(kept.holders.a?.held).toBe(10)
    expect(ask(kept, 'b', 0, 1, 4, 2)[1].allowed).toBe(0)
  })
})
