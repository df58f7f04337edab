/**
 * Drain rate: how many tasks leave the queue per second, as an exponentially weighted mean over irregular samples.
 *
 *     x = (finished - finished') / dt,    a = 1 - exp(-dt / T),    rate = rate + a (x - rate)
 *
 * T is the time constant: a step in the true rate is followed to 63% within T. The first interval sets the rate whole.
 * Units: milliseconds in, tasks per second out.
 */

const TIME_CONSTANT_MS = 3_000

/** After a longer gap between samples it was another time with another load: the rate stays, and measuring begins anew. */
const LONGEST_GAP_MS = 5_000

export class DrainMeter {
  #at: number | undefined
  #finished = 0
  #perSecond: number | undefined

  /** @param finished How many tasks have ever left the queue: a count that only grows. */
  sample(now: number, finished: number): void {
    const previous = this.#at
    const left = finished - this.#finished
    this.#at = now
    this.#finished = finished
    if (previous === undefined || now <= previous || now - previous > LONGEST_GAP_MS) return
    const dt = now - previous
    const measured = (1_000 * left) / dt
    const weight = 1 - Math.exp(-dt / TIME_CONSTANT_MS)
    this.#perSecond = this.#perSecond === undefined ? measured : this.#perSecond + weight * (measured - this.#perSecond)
  }

  /** Undefined until two samples were taken. */
  get perSecond(): number | undefined {
    return this.#perSecond
  }

  /** How old the newest sample is, ms; Infinity if there is none. */
  ageMs(now: number): number {
    return this.#at === undefined ? Number.POSITIVE_INFINITY : now - this.#at
  }
}
