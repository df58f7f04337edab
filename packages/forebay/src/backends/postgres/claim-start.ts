/**
 * Where claims begin to look. Each claim leaves dead rows behind at the place where the next one begins, and as long as any
 * transaction of the server can still see them (a long report, a dump, a forgotten session) every claim would walk over all of
 * them. So a claim begins where the last one ended, as soon as walking is measured to be slow:
 *
 *     walk    what a claim took beyond what its grants cost                         slow: above SLOW_MS
 *     start   rank of the last grant - MARGIN_MS, or lower where work is announced that stands before it
 *     whole   a look from the very beginning: after OVERHEAD times what the last one took, so that it costs 1/OVERHEAD at most
 *
 * While walking is quick (nearly always) every look is a whole one. While it is slow, what stands before the start unannounced
 * (it was committed late, or its announcement was lost) is found by the next whole look. Units: milliseconds.
 */

const SLOW_MS = 1
const GRANT_MS = 0.02
const MARGIN_MS = 1_000
const OVERHEAD = 20

export interface Start {
  /** The least rank to look at. */
  readonly rank: number
  /** Of due times and leases: what was due before this has been seen to. */
  readonly since: number
}

export interface Looked {
  readonly start: Start
  /** When it was asked, by the caller's clock. */
  readonly at: number
  /** What the server took. */
  readonly tookMs: number
  readonly granted: number
  /** Rank of the last grant; undefined without one. */
  readonly lastRank: number | undefined
  /** Until when all that fell due was seen to, by the server's clock. */
  readonly seen: number
}

const BEGINNING: Start = { rank: Number.NEGATIVE_INFINITY, since: Number.NEGATIVE_INFINITY }

export class ClaimStart {
  #next: Start = BEGINNING
  /** Of the last whole look. */
  #walkMs = 0
  #wholeAt = Number.NEGATIVE_INFINITY

  /** Where to begin at this time. */
  at(now: number): Start {
    const isQuick = this.#walkMs <= SLOW_MS
    return isQuick || now - this.#wholeAt >= OVERHEAD * this.#walkMs ? BEGINNING : this.#next
  }

  looked({ start, at, tookMs, granted, lastRank, seen }: Looked): void {
    if (start === BEGINNING) {
      this.#walkMs = tookMs - granted * GRANT_MS
      this.#wholeAt = at
      this.#next = { ...this.#next, since: seen - MARGIN_MS }
    }
    if (lastRank !== undefined) this.#next = { ...this.#next, rank: lastRank - MARGIN_MS }
  }

  /** Something of this rank became ready. */
  announced(rank: number): void {
    if (rank < this.#next.rank) this.#next = { ...this.#next, rank }
  }
}
