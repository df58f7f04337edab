/**
 * Hypotheses on a line of cells: each has a weight, and holds a quantity to be normal, of a mean and a variance of its own.
 *
 *     spread    cell i becomes  stays w(i) + toNext sum over d >= 1 of reach^(d-1) (w(i-d) + w(i+d))
 *               the quantity goes along; what comes together becomes one normal law with the moments of the mixture
 *     weigh     w(i) *= e^(l(i) - max l), then the weights sum to 1
 *
 * reach = 0 is one step of a random walk; above it the two-sided geometric law, in two passes. What leaves the line at its ends is
 * shared by all. A weight never becomes 0, and no variance: what was held impossible can be learned to be true.
 */

const LEAST_WEIGHT = 1e-15
const LEAST_VARIANCE = 1e-9

export class Hypotheses {
  readonly mean: Float64Array
  readonly variance: Float64Array
  #weight: Float64Array

  /** @param weight Above 0; they need not sum to 1. */
  constructor(weight: Float64Array) {
    this.#weight = weight
    this.mean = new Float64Array(weight.length)
    this.variance = new Float64Array(weight.length).fill(LEAST_VARIANCE)
    this.#normalise()
  }

  get weight(): Readonly<Float64Array> {
    return this.#weight
  }

  /** The mean of the quantity over all hypotheses. */
  get overallMean(): number {
    return this.#weight.reduce((sum, weight, cell) => sum + weight * (this.mean[cell] as number), 0)
  }

  set(cell: number, mean: number, variance: number): void {
    this.mean[cell] = mean
    this.variance[cell] = Math.max(LEAST_VARIANCE, variance)
  }

  /** How far along the line this share of the weight is reached, in cells; each cell's weight lies evenly around its place. */
  quantile(share: number): number {
    let sum = 0
    for (let cell = 0; cell < this.#weight.length; cell++) {
      const weight = this.#weight[cell] as number
      if (sum + weight >= share) return cell + (share - sum) / weight - 0.5
      sum += weight
    }
    return this.#weight.length - 0.5
  }

  /** @param logLikelihood Of what was seen, for each. */
  weigh(logLikelihood: Readonly<Float64Array>): void {
    const most = logLikelihood.reduce((greatest, one) => Math.max(greatest, one), Number.NEGATIVE_INFINITY)
    this.#weight = this.#weight.map((weight, cell) => weight * Math.exp((logLikelihood[cell] as number) - most))
    this.#normalise()
  }

  spread(stays: number, toNext: number, reach: number): void {
    const cells = this.#weight.length
    const moments = this.#moments()
    const after = moments.map((of) => of.map((own) => stays * own))
    for (const towards of [1, -1]) {
      for (const [order, of] of moments.entries()) {
        const into = after[order] as Float64Array
        let coming = 0
        for (let cell = towards > 0 ? 0 : cells - 1; cell >= 0 && cell < cells; cell += towards) {
          into[cell] = (into[cell] as number) + toNext * coming
          coming = (of[cell] as number) + reach * coming
        }
      }
    }
    const [weight, first, second] = after as [Float64Array, Float64Array, Float64Array]
    for (let cell = 0; cell < cells; cell++) {
      const mean = (first[cell] as number) / (weight[cell] as number)
      this.set(cell, mean, (second[cell] as number) / (weight[cell] as number) - mean ** 2)
    }
    this.#weight = weight
    this.#normalise()
  }

  /** Of each cell: its weight, and the first and second moment of its quantity, times the weight. */
  #moments(): readonly Float64Array[] {
    const first = this.#weight.map((weight, cell) => weight * (this.mean[cell] as number))
    const second = first.map(
      (once, cell) =>
        once * (this.mean[cell] as number) + (this.#weight[cell] as number) * (this.variance[cell] as number),
    )
    return [this.#weight, first, second]
  }

  #normalise(): void {
    const sum = this.#weight.reduce((total, weight) => total + weight, 0)
    this.#weight = this.#weight.map((weight) => Math.max(LEAST_WEIGHT, weight / sum))
  }
}
