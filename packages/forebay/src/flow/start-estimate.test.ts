import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Drain, estimateStart, type Look, type Since } from './start-estimate.ts'

const RUNS = { numRuns: 1_000 }
const NOW: Since = { ageMs: 0, own: 0, others: 0, behind: 0 }
const rates = fc.double({ min: 0.01, max: 5_000, noNaN: true })
const counts = fc.nat(100_000)

const looks = fc
  .record({ ready: counts, share: fc.double({ min: 0, max: 1, noNaN: true }), inFlight: fc.nat(100) })
  .map(({ ready, share, inFlight }): Look => ({ ready, ahead: Math.floor(ready * share), inFlight }))
const sinces = fc.record({ ageMs: fc.nat(1_000), own: fc.nat(1_000), others: fc.nat(1_000), behind: fc.nat(1_000) })
const alone = { urgentPerSecond: 0, busyForMs: 0 }
const drains = fc.record({
  perSecond: rates,
  inFlight: fc.option(fc.nat(100), { nil: undefined }),
  urgentPerSecond: fc.double({ min: 0, max: 5_000, noNaN: true }),
  busyForMs: fc.nat(100_000),
})
const cases = fc.tuple(looks, sinces, drains, fc.nat(60_000))

describe('estimateStart', () => {
  it('law: in a level queue it is within half an interval of the truth', () => {
    fc.assert(
      fc.property(counts, rates, fc.double({ min: 0, max: 1, noNaN: true }), (ahead, perSecond, phase) => {
        // The next start is somewhere within the next interval; the newcomer's comes `ahead` intervals later.
        const truth = ((ahead + phase) * 1_000) / perSecond
        const look = { ahead, ready: ahead, inFlight: 1 }
        const { startsInMs, position } = estimateStart(look, NOW, { perSecond, inFlight: 1, ...alone }, 0)
        expect(position).toBe(ahead)
        expect(Math.abs(startsInMs - truth)).toBeLessThanOrEqual((500 / perSecond) * (1 + 1e-9) + truth * 1e-9)
      }),
      RUNS,
    )
  })

  it('law: an old look tells the same time as a new one, as long as there is a backlog', () => {
    fc.assert(
      fc.property(counts, rates, fc.nat(1_000), (ahead, perSecond, ageMs) => {
        const left = ahead - (perSecond * ageMs) / 1_000
        fc.pre(left >= 1)
        const drain = { perSecond, inFlight: undefined, ...alone }
        const old = estimateStart({ ahead, ready: ahead, inFlight: 0 }, { ...NOW, ageMs }, drain, 0)
        const fresh = estimateStart({ ahead: left, ready: left, inFlight: 0 }, NOW, drain, 0)
        expect(old.startsInMs).toBeCloseTo(fresh.startsInMs, 3)
      }),
      RUNS,
    )
  })

  it('law: what comes before it never makes it sooner, and it is never before its own delay', () => {
    const more = fc.record({ ahead: fc.nat(50), own: fc.nat(50), behind: fc.nat(50), delayMs: fc.nat(5_000) })
    fc.assert(
      fc.property(cases, more, ([look, since, drain, delayMs], extra) => {
        const plain = estimateStart(look, since, drain, delayMs)
        const later = estimateStart(
          { ...look, ahead: look.ahead + extra.ahead, ready: look.ready + extra.ahead },
          { ...since, own: since.own + extra.own, behind: since.behind + extra.behind },
          drain,
          delayMs + extra.delayMs,
        )
        expect(later.startsInMs).toBeGreaterThanOrEqual(plain.startsInMs - 1e-6)
        expect(later.position).toBeGreaterThanOrEqual(plain.position)
        expect(plain.startsInMs).toBeGreaterThanOrEqual(delayMs)
        expect(plain.position).toBeGreaterThanOrEqual(0)
      }),
      RUNS,
    )
  })

  it('law: of a fresh look, twice the rate is half the time', () => {
    fc.assert(
      fc.property(looks, drains, (look, drain) => {
        const twice: Drain = { ...drain, ...alone, perSecond: 2 * drain.perSecond }
        const { startsInMs } = estimateStart(look, NOW, { ...drain, ...alone }, 0)
        expect(estimateStart(look, NOW, twice, 0).startsInMs).toBeCloseTo(startsInMs / 2, 6)
      }),
      RUNS,
    )
  })

  it('law: those that overtake make it later, by no more than come while it waits, nor than come within the busy time again', () => {
    fc.assert(
      fc.property(looks, drains, (look, drain) => {
        const plain = estimateStart(look, NOW, { ...drain, ...alone }, 0).startsInMs
        const { startsInMs } = estimateStart(look, NOW, drain, 0)
        const { perSecond, urgentPerSecond, busyForMs } = drain
        const laterMs = startsInMs - plain
        const slack = 1e-6 * (1 + startsInMs)
        expect(laterMs).toBeGreaterThanOrEqual(-slack)
        expect(laterMs).toBeLessThanOrEqual((urgentPerSecond * startsInMs) / perSecond + slack)
        expect(laterMs).toBeLessThanOrEqual((urgentPerSecond * busyForMs) / perSecond + slack)
      }),
      RUNS,
    )
  })

  it('law: where the urgent come for as long as it waits, what is there and what comes goes away by then', () => {
    fc.assert(
      fc.property(counts, rates, fc.double({ min: 0, max: 0.95, noNaN: true }), (ahead, perSecond, share) => {
        const drain = { perSecond, inFlight: 1, urgentPerSecond: share * perSecond, busyForMs: Number.MAX_SAFE_INTEGER }
        const { startsInMs } = estimateStart({ ahead, ready: ahead, inFlight: 1 }, NOW, drain, 0)
        const gone = (perSecond * startsInMs) / 1_000
        const come = (drain.urgentPerSecond * startsInMs) / 1_000
        expect(gone).toBeCloseTo(ahead + 0.5 + come, 3)
      }),
      RUNS,
    )
  })

  it('law: others are counted in the share that went before it', () => {
    fc.assert(
      fc.property(cases, ([look, since, drain, delayMs]) => {
        const none = estimateStart({ ...look, ahead: 0, ready: Math.max(1, look.ready) }, since, drain, delayMs)
        const without = { ...since, others: 0 }
        const same = estimateStart({ ...look, ahead: 0, ready: Math.max(1, look.ready) }, without, drain, delayMs)
        expect(none).toEqual(same)
        const all = estimateStart({ ...look, ahead: look.ready }, since, drain, delayMs)
        const own = { ...without, own: since.own + since.others }
        expect(all).toEqual(estimateStart({ ...look, ahead: look.ready }, own, drain, delayMs))
      }),
      RUNS,
    )
  })

  it('law: what waits outside counts like what is there', () => {
    fc.assert(
      fc.property(cases, ([look, since, drain, delayMs]) => {
        const joined = { ...since, behind: 0, own: since.own + since.behind }
        expect(estimateStart(look, since, drain, delayMs)).toEqual(estimateStart(look, joined, drain, delayMs))
      }),
      RUNS,
    )
  })

  it.each([
    ['idle: at once', 1, 4, 0],
    ['all that may run do: half an interval', 4, 4, 50],
    ['it is not known how many may run: at once', 4, undefined, 0],
    ['nothing ever ran while tasks waited: at once', 0, 0, 0],
  ])('with nothing before it and %s', (_, inFlight, busyInFlight, startsInMs) => {
    const look = { ahead: 0, ready: 0, inFlight }
    expect(estimateStart(look, NOW, { perSecond: 10, inFlight: busyInFlight, ...alone }, 0)).toEqual({
      startsInMs,
      position: 0,
      perSecond: 10,
    })
  })
})
