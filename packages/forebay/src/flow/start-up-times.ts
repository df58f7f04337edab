/**
 * How long a worker takes from when it is asked for until it takes tasks: as long as the slowest of the latest ones.
 *
 *     S = max of the latest N start-ups,   N = 8
 *
 * The slowest, because the two errors do not cost the same: a worker that was foreseen too early makes tasks late, one that was foreseen
 * too late was asked for a moment too soon. Regimes: none has started yet (nothing is known); fewer than N (the slowest of all); then each
 * forgets the one N before it, so what was slow once, with a cold disk say, is forgotten after N others. Units: ms.
 */

const LATEST = 8

export class StartUpTimes {
  #latest: number[] = []

  /** A worker has started, after so long. */
  note(startUpMs: number): void {
    this.#latest.push(startUpMs)
    if (this.#latest.length > LATEST) this.#latest.shift()
  }

  /** Undefined before the first. */
  get slowestMs(): number | undefined {
    return this.#latest.length === 0 ? undefined : Math.max(...this.#latest)
  }
}
