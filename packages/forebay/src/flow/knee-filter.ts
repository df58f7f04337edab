/**
 * The knee of a downstream, from latencies that scatter: a bank of Kalman filters, one for each place where the knee may be.
 *
 *     model        T(L) = R0 h(L / K),   h(x) = (1 + x^p)^(1/p),   p = 2 sqrt K within 3..30
 *                  L in flight take R0 each while L is below the knee K, and L / mu above it (Little's law), with mu = K / R0
 *     belief       for each K of a grid: its weight w, and log R0 ~ N(m, v)
 *     a window     of latency T, with the relative error s, at load L:   r = log T - log h(L / K) - m,   S = v + s^2
 *                  w *= N(r; 0, S),   m += r v / S,   v *= s^2 / S
 *     time         v += DRIFT_BASE^2 dt;  K walks over the grid by DRIFT_KNEE^2 dt
 *     jumps        JUMPS_A_MINUTE: R0 by N(0, JUMP^2), or K by a factor of e^x, x of a two-sided exponential law of mean JUMP, R0 staying
 *
 * Why: one latency says nothing, for any K explains it with an R0 of its own; two at different loads do. So it matters to have
 * been at different loads, and what was seen there counts for as long as the drift lets it be true. Whether a rise was a
 * queue or a slower downstream stays open until the load has moved, and the weights say how open. Rounding p: the number in
 * service scatters by about sqrt K, so the knee is as sharp as that is small beside K.
 *
 * Law: only ratios of latencies matter; a downstream of microseconds and one of minutes are found alike.
 *
 * Sources: D. Magill, "Optimal Adaptive Estimation of Sampled Stochastic Processes" (1965), a filter for each hypothesis; H. Blom and
 * Y. Bar-Shalom, "The Interacting Multiple Model Algorithm" (1988), hypotheses that change into each other. Units: attempts; ms; minutes.
 */

import { Hypotheses } from './hypotheses.ts'

/** Of the grid, in log K: within the error of any window. */
const CELL = 0.06
/** A service time drifts with its load, by so much in a minute; the knee, which is machinery, by less. */
const DRIFT_BASE = 0.15
const DRIFT_KNEE = 0.08
/** Every other minute is often for a deployment, a neighbour or a lost machine; so one is believed within two windows. */
const JUMPS_A_MINUTE = 0.5
/** A factor of 1.65 in the mean; three such, a factor of 4, are still believed. */
const JUMP = 0.5
/** Where it began is a hint, no more: nine of ten within a factor of 140. */
const PRIOR = 3
const LEAST_KNEE = 0.5
/** What was seen longer ago says as little as it ever will. */
const LONGEST_MINUTES = 10

export class KneeFilter {
  readonly #knees: Hypotheses
  /** Of each cell: log K, and p. */
  readonly #logKnee: Float64Array
  readonly #sharpness: Float64Array
  #seenAt: number | undefined
  #baseMs = 0

  /** @param most The greatest load that there will be. */
  constructor(most: number, initial: number) {
    const cells = Math.ceil(Math.log((2 * most) / LEAST_KNEE) / CELL) + 1
    this.#logKnee = Float64Array.from({ length: cells }, (_, cell) => Math.log(LEAST_KNEE) + cell * CELL)
    this.#sharpness = this.#logKnee.map((logKnee) => Math.min(30, Math.max(3, 2 * Math.exp(logKnee / 2))))
    const prior = this.#logKnee.map((logKnee) => Math.exp(-0.5 * ((logKnee - Math.log(initial)) / PRIOR) ** 2))
    this.#knees = new Hypotheses(prior)
  }

  /** The latency without a queue, as expected; 0 before anything was seen. */
  get baseMs(): number {
    return this.#baseMs
  }

  /** Below what load the knee is, with this probability. */
  knee(probability: number): number {
    return LEAST_KNEE * Math.exp(CELL * this.#knees.quantile(probability))
  }

  /**
   * A window of attempts, `load` of them in flight: their latency, and its standard error as a share of it.
   * @returns The surprise: how far from what was expected, squared, in units of its variance; 1 in the mean.
   */
  see(at: number, load: number, latencyMs: number, error: number): number {
    const [logLoad, logLatency, noise] = [Math.log(load), Math.log(latencyMs), error ** 2]
    const before = this.#seenAt
    this.#seenAt = at
    let surprise = 1
    if (before === undefined) this.#begin(logLoad, logLatency, noise)
    else {
      const minutes = Math.min(LONGEST_MINUTES, Math.max(0, (at - before) / 60_000))
      this.#wait(minutes)
      surprise = this.#learn(logLoad, logLatency, noise, jumpChance(minutes))
    }
    this.#baseMs = Math.exp(this.#knees.overallMean)
    return surprise
  }

  /** Any knee explains the first latency. */
  #begin(logLoad: number, logLatency: number, noise: number): void {
    this.#logKnee.forEach((_, cell) => this.#knees.set(cell, logLatency - this.#logQueueing(cell, logLoad), noise))
  }

  #wait(minutes: number): void {
    const knees = this.#knees
    knees.mean.forEach((mean, cell) =>
      knees.set(cell, mean, (knees.variance[cell] as number) + DRIFT_BASE ** 2 * minutes),
    )
    // A step to both sides, of half the weight each, has a variance of one cell: a longer walk takes several.
    for (let variance = (DRIFT_KNEE / CELL) ** 2 * minutes; variance > 0; variance -= 0.5) {
      const moves = Math.min(0.5, variance)
      knees.spread(1 - moves, moves / 2, 0)
    }
    const jump = jumpChance(minutes)
    const reach = Math.exp(-CELL / JUMP)
    const nowhere = (1 - reach) / (1 + reach)
    if (jump > 0) knees.spread(1 - jump + jump * nowhere, jump * nowhere * reach, reach)
  }

  #learn(logLoad: number, logLatency: number, noise: number, jump: number): number {
    const knees = this.#knees
    const logStay = Math.log(1 - jump)
    const logJump = Math.log(jump)
    let surprise = 0
    const logLikelihood = this.#logKnee.map((_, cell) => {
      const mean = knees.mean[cell] as number
      const variance = knees.variance[cell] as number
      const off = logLatency - this.#logQueueing(cell, logLoad) - mean
      surprise += ((knees.weight[cell] as number) * off ** 2) / (variance + noise)
      const stayed = logStay + logDensity(off, variance + noise)
      const jumped = logJump + logDensity(off, variance + JUMP ** 2 + noise)
      const either = Math.max(stayed, jumped) + Math.log1p(Math.exp(-Math.abs(stayed - jumped)))
      // Two steps of Kalman's, as if R0 had stayed and as if it had jumped, become one normal law with their moments.
      const share = Math.exp(jumped - either)
      const stay = gain(variance, noise)
      const far = gain(variance + JUMP ** 2, noise)
      const moved = (1 - share) * stay * off + share * far * off
      const spread = (rate: number) => rate * noise + (rate * off - moved) ** 2
      knees.set(cell, mean + moved, (1 - share) * spread(stay) + share * spread(far))
      return either
    })
    knees.weigh(logLikelihood)
    return surprise
  }

  /** log h(L / K). */
  #logQueueing(cell: number, logLoad: number): number {
    const sharpness = this.#sharpness[cell] as number
    const above = sharpness * (logLoad - (this.#logKnee[cell] as number))
    return above > 30 ? above / sharpness : Math.log1p(Math.exp(above)) / sharpness
  }
}

function jumpChance(minutes: number): number {
  return 1 - Math.exp(-JUMPS_A_MINUTE * minutes)
}

function logDensity(off: number, variance: number): number {
  return -0.5 * (off ** 2 / variance + Math.log(variance))
}

/** Kalman's gain; the variance after a step is gain x noise. */
function gain(variance: number, noise: number): number {
  return variance / (variance + noise)
}
