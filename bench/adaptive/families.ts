/**
 * Families of downstreams whose figures are drawn by a seed, from ranges that are stated here: what a limit does on figures that
 * nobody chose for it. Each member is drawn anew; only its family is fixed.
 *
 *     all          4 to 400 servers, service 2 ms to 5 s, at most 400 requests a second and at least 0.5; network 2% to 100% of the
 *                  service time; service times lognormal of cv 0.1 to 1; time-out 20 to 60 x a round trip, 10 s at least
 *     lasting      10 minutes, and 3,000 requests or more, up to four hours
 *
 * Numbers are drawn evenly, or evenly by their logarithm where a range spans more than a factor of ten.
 */

import { seededRandom } from '../../packages/forebay/src/random.ts'
import { bimodal, drift, heavyTail, logNormal, type Spread, spells } from './chance.ts'
import { bucket, type Quota, windowed } from './quotas.ts'
import { bestInFlight, type Downstream } from './simulation.ts'

export interface Member {
  readonly downstream: Downstream
  readonly initial?: number
}

export interface Family {
  readonly name: string
  readonly draws: string
  draw(dice: Dice, plain: Downstream): Member
}

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Draws of one member, by its seed. */
export class Dice {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = seededRandom(seed).next
    // The first numbers of neighbouring seeds are alike.
    for (let drawn = 0; drawn < 8; drawn++) this.#next()
  }

  even(least: number, most: number): number {
    return least + (most - least) * this.#next()
  }

  byFactor(least: number, most: number): number {
    return least * (most / least) ** this.#next()
  }

  oneOf<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#next() * items.length)] as Item
  }
}

function plainOf(dice: Dice): Downstream {
  while (true) {
    const servers = Math.round(dice.byFactor(4, 400))
    const serviceMs = dice.byFactor(2, 5_000)
    const perSecond = (servers * SECOND) / serviceMs
    if (perSecond > 400 || perSecond < 0.5) continue
    const networkMs = serviceMs * dice.byFactor(0.02, 1)
    return {
      durationMs: Math.min(4 * HOUR, Math.max(10 * MINUTE, (3_000 / perSecond) * SECOND)),
      timeoutMs: Math.max(10 * SECOND, dice.even(20, 60) * (serviceMs + networkMs)),
      networkMs,
      servers: () => servers,
      serviceMs: () => serviceMs,
      spread: logNormal(dice.byFactor(0.1, 1)),
    }
  }
}

/** `factor` of its servers, or as much slower, as the dice fall. */
function withCapacity(dice: Dice, plain: Downstream, factor: (atMs: number) => number): Downstream {
  const [servers, serviceMs] = [plain.servers(0), plain.serviceMs(0)]
  return dice.oneOf([true, false])
    ? { ...plain, servers: (at) => Math.max(1, Math.round(servers * factor(at))) }
    : { ...plain, serviceMs: (at) => serviceMs / factor(at) }
}

function steps(dice: Dice, durationMs: number): (atMs: number) => number {
  const count = dice.oneOf([1, 2, 3, 4])
  const at = Array.from({ length: count }, () => dice.even(0.1, 0.95) * durationMs).sort((a, b) => a - b)
  const factors = at.map(() => dice.byFactor(0.25, 2.5))
  return (now) => factors[at.findLastIndex((begins) => now >= begins)] ?? 1
}

function ramp(dice: Dice, durationMs: number): (atMs: number) => number {
  const end = dice.byFactor(0.2, 3)
  const turn = dice.even(0.3, 1) * durationMs
  return (now) => 1 + (end - 1) * Math.min(1, now < turn ? now / turn : (durationMs - now) / (durationMs - turn))
}

function swing(dice: Dice, durationMs: number): (atMs: number) => number {
  const amplitude = dice.even(0.2, 0.7)
  const periodMs = durationMs / dice.even(1, 4)
  const phase = dice.even(0, 2 * Math.PI)
  return (now) => 1 + amplitude * Math.sin((2 * Math.PI * now) / periodMs + phase)
}

/** A neighbour: each so often for so long, by chance at each turn. */
function thief(dice: Dice): (atMs: number) => number {
  const left = 1 - dice.even(0.2, 0.7)
  const turnMs = dice.byFactor(20 * SECOND, 3 * MINUTE)
  const turns = Array.from({ length: 1_000 }, () => ({ begins: dice.even(0, 0.5), lasts: dice.even(0.1, 0.7) }))
  return (now) => {
    const { begins, lasts } = turns[Math.floor(now / turnMs) % turns.length] as { begins: number; lasts: number }
    const into = (now % turnMs) / turnMs
    return into >= begins && into < begins + lasts ? left : 1
  }
}

function collapse(dice: Dice, plain: Downstream): Partial<Downstream> {
  const onset = dice.even(1.05, 1.6)
  const kind = dice.oneOf(['in proportion', 'by the square', 'at once', 'by errors', 'by time-outs'])
  if (kind === 'in proportion') return { slowdown: (inside, servers) => Math.max(1, inside / (onset * servers)) }
  if (kind === 'by the square') return { slowdown: (inside, servers) => Math.max(1, inside / (onset * servers)) ** 2 }
  if (kind === 'at once') {
    const times = dice.even(1.3, 3)
    return { slowdown: (inside, servers) => (inside > onset * servers + 1 ? times : 1) }
  }
  if (kind === 'by errors') {
    const steep = dice.even(0.5, 3)
    return { failing: (inside, servers) => Math.min(0.9, Math.max(0, steep * (inside / servers - onset))) }
  }
  const timeoutMs = dice.even(2.5, 5) * (plain.serviceMs(0) + plain.networkMs)
  return { timeoutMs, spread: logNormal(dice.byFactor(0.1, 0.4)) }
}

/** Three quarters of what it can serve, or far less than that; a burst of what it can't serve at once stands in between. */
function quotaOf(dice: Dice, plain: Downstream, windows: boolean): Partial<Downstream> {
  const perSecond = ((plain.servers(0) * SECOND) / plain.serviceMs(0)) * dice.byFactor(0.1, 0.8)
  const tells = dice.oneOf([true, true, false])
  if (!windows) {
    const burst = Math.max(1, Math.round(perSecond * dice.byFactor(0.1, 10)))
    const retryAfterMs = tells ? SECOND * dice.oneOf([1, 1, 2, 5]) : undefined
    return { quotaPerSecond: perSecond, quota: (): Quota => bucket(perSecond, burst, retryAfterMs) }
  }
  const windowMs = SECOND * dice.oneOf([1, 2, 5, 10, 30, 60, 60])
  const most = Math.max(1, Math.round((perSecond * windowMs) / SECOND))
  return { quotaPerSecond: (most * SECOND) / windowMs, quota: () => windowed(most, windowMs, tells) }
}

function starved(dice: Dice, plain: Downstream): Partial<Downstream> {
  const perSecond = (plain.servers(0) * SECOND) / plain.serviceMs(0)
  const periodMs = plain.durationMs / dice.even(3, 8)
  const [low, high, share] = [dice.even(0.05, 0.7), dice.even(1.5, 3), dice.even(0.2, 0.5)]
  return { arrivalsPerSecond: (at) => perSecond * (at % periodMs > (1 - share) * periodMs ? high : low) }
}

function anySpread(dice: Dice): Spread {
  const kind = dice.oneOf(['lognormal', 'lognormal', 'bimodal', 'tail'])
  if (kind === 'lognormal') return logNormal(dice.byFactor(0.1, 1.5))
  return kind === 'tail' ? heavyTail(dice.even(1.5, 2.5)) : bimodal(dice.byFactor(0.01, 0.5), dice.byFactor(3, 30))
}

const errors = (share: number) => ({ failing: () => share })

export const FAMILIES: readonly Family[] = [
  { name: 'steady', draws: 'nothing more', draw: (_, plain) => ({ downstream: plain }) },
  {
    name: 'wide noise',
    draws: 'lognormal of cv 1 to 2',
    draw: (dice, plain) => ({ downstream: { ...plain, spread: logNormal(dice.even(1, 2)) } }),
  },
  {
    name: 'bimodal',
    draws: '1% to 50% of the requests take 3 to 30 x as long',
    draw: (dice, plain) => ({
      downstream: { ...plain, spread: bimodal(dice.byFactor(0.01, 0.5), dice.byFactor(3, 30)) },
    }),
  },
  {
    name: 'cache before it',
    draws: '5% to 60% of the requests are answered by a cache',
    draw: (dice, plain) => ({ downstream: { ...plain, cached: dice.even(0.05, 0.6) } }),
  },
  {
    name: 'heavy tail',
    draws: 'Pareto, alpha 1.3 to 2.5',
    draw: (dice, plain) => ({ downstream: { ...plain, spread: heavyTail(dice.even(1.3, 2.5)) } }),
  },
  {
    name: 'steps',
    draws: '1 to 4 changes, to 0.25 to 2.5 x the capacity',
    draw: (dice, plain) => ({ downstream: withCapacity(dice, plain, steps(dice, plain.durationMs)) }),
  },
  {
    name: 'ramp',
    draws: 'slowly to 0.2 to 3 x the capacity, and perhaps back',
    draw: (dice, plain) => ({ downstream: withCapacity(dice, plain, ramp(dice, plain.durationMs)) }),
  },
  {
    name: 'swing',
    draws: '1 to 4 swings of 20% to 70%',
    draw: (dice, plain) => ({ downstream: withCapacity(dice, plain, swing(dice, plain.durationMs)) }),
  },
  {
    name: 'thief',
    draws: '20% to 70% of the capacity, in spells of 2 s to 2 min',
    draw: (dice, plain) => ({ downstream: withCapacity(dice, plain, thief(dice)) }),
  },
  {
    name: 'unrelated latency',
    draws: 'network 0.3 to 2 x the service, drifting by 0.1 to 0.5 within 5 s to 2 min, or in spells of 1.5 to 4 x',
    draw: (dice, plain) => {
      const networkMs = plain.serviceMs(0) * dice.byFactor(0.3, 2)
      const everyMs = plain.durationMs / dice.even(3, 10)
      const spell = spells(dice.even(1.5, 4), everyMs * dice.even(0.05, 0.3), everyMs, everyMs / 2)
      const [deviation, memoryMs] = [dice.even(0.1, 0.5), dice.byFactor(5 * SECOND, 2 * MINUTE)]
      const kind = dice.oneOf(['drift', 'spells'])
      const networkFactor = kind === 'drift' ? drift(deviation, memoryMs) : (at: number) => spell(at)
      return { downstream: { ...plain, networkMs, networkFactor } }
    },
  },
  {
    name: 'collapse',
    draws:
      'from 1.05 to 1.6 x its servers on: slower in proportion, by the square, at once, errors, or tight time-outs',
    draw: (dice, plain) => ({ downstream: { ...plain, ...collapse(dice, plain) } }),
  },
  {
    name: 'errors',
    draws: '0.1% to 5% always fail',
    draw: (dice, plain) => ({ downstream: { ...plain, ...errors(dice.byFactor(0.001, 0.05)) } }),
  },
  {
    name: 'bucket quota',
    draws: '10% to 80% of the capacity, bursts of 0.1 to 10 s, two of three with Retry-After 1 to 5 s',
    draw: (dice, plain) => ({ downstream: { ...plain, ...quotaOf(dice, plain, false) } }),
  },
  {
    name: 'window quota',
    draws: '10% to 80% of the capacity, windows of 1 to 60 s, two of three with Retry-After',
    draw: (dice, plain) => ({ downstream: { ...plain, ...quotaOf(dice, plain, true) } }),
  },
  {
    name: 'starved in part',
    draws: 'arrivals of 5% to 70% of the capacity, and 1.5 to 3 x as much for 20% to 50% of the time',
    draw: (dice, plain) => ({ downstream: { ...plain, ...starved(dice, plain) } }),
  },
  {
    name: 'far start',
    draws: 'from 1, or from 3 to 15 x the best',
    draw: (dice, plain) => {
      const far = Math.round(bestInFlight(plain, 0) * dice.byFactor(3, 15))
      return { downstream: plain, initial: dice.oneOf([1, far]) }
    },
  },
  {
    name: 'all together',
    draws: 'any spread, two changes of capacity over each other, drifting network, errors, perhaps a collapse',
    draw: (dice, plain) => {
      const { durationMs } = plain
      const first = dice.oneOf([steps, ramp, swing])(dice, durationMs)
      const other = dice.oneOf([swing, thief])(dice, durationMs)
      const changing = withCapacity(dice, plain, (at) => Math.max(0.1, first(at) * other(at)))
      const networkFactor = drift(dice.even(0.05, 0.2), dice.byFactor(10 * SECOND, MINUTE))
      const spoilt = dice.oneOf([errors(dice.byFactor(0.001, 0.03)), collapse(dice, plain), {}])
      return { downstream: { ...changing, spread: anySpread(dice), networkFactor, ...spoilt } }
    },
  },
]

/** The member of a family that a seed draws. */
export function memberOf(family: Family, seed: number): Member {
  const dice = new Dice(seed * 1_000_003 + family.name.length * 7_919 + family.name.charCodeAt(0))
  return family.draw(dice, plainOf(dice))
}
