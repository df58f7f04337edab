/** What is left to chance in a simulated downstream. A spread is a factor of mean 1; a walk is a factor that changes with time. */

export type Chance = () => number
export type Spread = (chance: Chance) => number
export type Walk = (atMs: number, chance: Chance) => number

/** Standard deviation `cv`. */
export function logNormal(cv: number): Spread {
  const variance = Math.log(1 + cv * cv)
  return (chance) => Math.exp(Math.sqrt(variance) * normal(chance) - variance / 2)
}

/** A share of them takes `ratio` times as long as the others. */
export function bimodal(slowShare: number, ratio: number): Spread {
  const quick = 1 / (1 - slowShare + slowShare * ratio)
  return (chance) => (chance() < slowShare ? quick * ratio : quick)
}

/** Pareto's law with the exponent `alpha` > 1, cut at `most` times its least: a tail whose variance would not end. */
export function heavyTail(alpha: number, most = 1_000): Spread {
  // The mean of the cut law, for a least of 1.
  const mean = alpha / (alpha - 1) - most ** (1 - alpha) / (alpha - 1)
  return (chance) => Math.min(most, (1 - chance()) ** (-1 / alpha)) / mean
}

function normal(chance: Chance): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
}

/** A walk that returns to 1 with a memory of `memoryMs`; `deviation` is that of its logarithm. */
export function drift(deviation: number, memoryMs: number): Walk {
  let value = 0
  let last = 0
  return (atMs, chance) => {
    if (atMs - last > 500) {
      const kept = Math.exp(-(atMs - last) / memoryMs)
      value = kept * value + deviation * Math.sqrt(1 - kept * kept) * normal(chance)
      last = atMs
    }
    return Math.exp(value)
  }
}

/** `times` as much for `lastsMs` out of each `everyMs`, beginning at `offsetMs`. */
export function spells(times: number, lastsMs: number, everyMs: number, offsetMs: number): (atMs: number) => number {
  return (atMs) => (atMs >= offsetMs && (atMs - offsetMs) % everyMs < lastsMs ? times : 1)
}
