/** Chance. This is the one file that touches the system's source of randomness; everything else is handed one. */

import { randomBytes } from 'node:crypto'

export interface RandomSource {
  /** Evenly distributed in [0, 1). */
  next(): number
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

/** Bytes are fetched so many at a time: a call of the system for each task's id would cost as much as all else of its admission. */
const POOL_BYTES = 4_096

let pool = Buffer.alloc(0)
let used = 0

export const systemRandom: RandomSource = {
  next: () => Math.random(),
  bytes: (count) => {
    if (count > POOL_BYTES / 4) return randomBytes(count)
    if (used + count > pool.length) {
      // Not overwritten: what was given out of the old pool belongs to whoever has it.
      pool = randomBytes(POOL_BYTES)
      used = 0
    }
    used += count
    return pool.subarray(used - count, used)
  },
}

/** The same seed gives the same numbers for ever (mulberry32). For tests and simulation, not for secrets. */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) }
}
