/** Quotas of simulated downstreams: whether one more request is answered now, and what a 429 says if it is not. */

export interface Refusal {
  /** Undefined: a 429 that does not say when to come again. */
  readonly retryAfterMs?: number
}

export type Quota = (atMs: number) => Refusal | undefined

/** A bucket of `burst` that refills at `perSecond`; `retryAfterMs` as told, or not at all. */
export function bucket(perSecond: number, burst: number, retryAfterMs?: number): Quota {
  let tokens = burst
  let last = 0
  return (atMs) => {
    tokens = Math.min(burst, tokens + ((atMs - last) * perSecond) / 1_000)
    last = atMs
    if (tokens < 1) return retryAfterMs === undefined ? {} : { retryAfterMs }
    tokens--
    return undefined
  }
}

/** `most` in each window of the clock; beyond them 429 until the window is over, which it says or does not say. */
export function windowed(most: number, windowMs: number, tells: boolean): Quota {
  let window = 0
  let used = 0
  return (atMs) => {
    const current = Math.floor(atMs / windowMs)
    if (current > window) {
      window = current
      used = 0
    }
    if (++used <= most) return undefined
    return tells ? { retryAfterMs: (window + 1) * windowMs - atMs } : {}
  }
}
