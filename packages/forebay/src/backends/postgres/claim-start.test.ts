import { expect, test } from 'vitest'
import { ClaimStart, type Looked } from './claim-start.ts'

const BEGINNING = { rank: Number.NEGATIVE_INFINITY, since: Number.NEGATIVE_INFINITY }

/** Asks at that time, and is answered. */
function look(start: ClaimStart, at: number, answer: Partial<Looked>) {
  const from = start.at(at)
  start.looked({ start: from, at, tookMs: 0, granted: 0, lastRank: undefined, seen: at, ...answer })
  return from
}

test('while looks are quick each begins at the beginning', () => {
  const start = new ClaimStart()
  for (let at = 0; at < 5; at++) {
    expect(look(start, at, { tookMs: 2, granted: 100, lastRank: 50_000 + at })).toEqual(BEGINNING)
  }
})

test('once one was slow they begin where the last one ended, a second before it', () => {
  const start = new ClaimStart()
  look(start, 0, { tookMs: 50, granted: 10, lastRank: 90_000, seen: 100_000 })
  expect(look(start, 1, { lastRank: 95_000 })).toEqual({ rank: 89_000, since: 99_000 })
  expect(look(start, 2, {})).toEqual({ rank: 94_000, since: 99_000 })
  expect(look(start, 3, {})).toEqual({ rank: 94_000, since: 99_000 })
})

test('what is announced before that place is looked for', () => {
  const start = new ClaimStart()
  look(start, 0, { tookMs: 50, lastRank: 90_000 })
  start.announced(95_000)
  start.announced(40_000)
  start.announced(60_000)
  expect(start.at(1).rank).toBe(40_000)
})

test('a whole look comes again after twenty times what the last one took, and when it is quick all are whole again', () => {
  const start = new ClaimStart()
  look(start, 0, { tookMs: 50.2, granted: 10, lastRank: 90_000 })
  expect(start.at(999).rank).toBe(89_000)
  expect(look(start, 1_000, { tookMs: 30, lastRank: 91_000 })).toEqual(BEGINNING)
  expect(start.at(1_001).rank).toBe(90_000)
  expect(start.at(1_599).rank).toBe(90_000)
  expect(look(start, 1_600, { tookMs: 1 })).toEqual(BEGINNING)
  expect(start.at(1_601)).toEqual(BEGINNING)
})
