/**
 * A schedule of limits, such as more at night: at each tick of an entry its limits take force, and stay until the tick of
 * another.
 *
 *     in force at t  =  the consumer's own options, under the limits of the entry whose latest tick before t is the latest
 *
 * So what is in force depends on the time alone and not on what was in force before: a consumer that starts at noon has the
 * limits of one that ran since yesterday, and what an entry does not name is what the options say, not what the entry before
 * it said. Of two ticks at one moment the entry that comes later in the list rules. Limits that are changed by hand stay
 * until the next tick.
 *
 * The change is the consumer's own `update`: the flow goes on from where it was. Only the wall clock decides; it is looked at
 * once a minute at least, so that a clock that is set and a machine that slept delay a change by a minute and no more.
 */

import type { CancelTimer, Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { type CronPattern, CronTimes, waitFor } from '../queue/cron-times.ts'
import { type ConsumerLimits, DEFAULT_LIMITS, type Limits, withLimits } from './options.ts'
import { wholeWish } from './whole-wish.ts'

export interface ScheduledLimits extends CronPattern {
  /** What takes force at the ticks; what it does not name is as the consumer's options say. */
  readonly limits: ConsumerLimits
}

/** Limits took force. */
export interface ScheduleEvent {
  /** Which entry of the schedule, from 0. */
  readonly entry: number
  readonly cron: string
  /** Its tick, epoch ms: at a start it may be long ago. */
  readonly at: number
  /** When the next tick of any entry comes, epoch ms; Infinity if none does. */
  readonly nextAt: number
}

interface Entry {
  readonly cron: string
  readonly times: CronTimes
  readonly limits: ConsumerLimits
}

interface Ruling {
  readonly index: number
  readonly at: number
}

interface LimitScheduleOptions {
  /** The consumer's own limits. */
  readonly own: ConsumerLimits
  readonly clock: Clock
  /** @throws ForebayError if the backend cannot keep them. */
  readonly check: (limits: Limits) => void
  readonly apply: (limits: ConsumerLimits, event: ScheduleEvent) => void
}

export class LimitSchedule {
  readonly #entries: readonly Entry[]
  readonly #clock: Clock
  readonly #apply: LimitScheduleOptions['apply']
  #ruling: Ruling | undefined
  #lookedAt = Number.POSITIVE_INFINITY
  #nextAt = Number.NEGATIVE_INFINITY
  #cancel: CancelTimer = () => {}

  /** @throws ForebayError INVALID_OPTION or UNSUPPORTED, naming the entry, for what could not take force when its time comes. */
  constructor(schedule: readonly ScheduledLimits[] = [], options: LimitScheduleOptions) {
    this.#clock = options.clock
    this.#apply = options.apply
    const own = withLimits(DEFAULT_LIMITS, options.own)
    this.#entries = schedule.map((entry, index) => ({
      cron: entry.cron,
      times: new CronTimes(entry, `schedule.${index}.cron`),
      limits: wholeWish(limitsOf(own, entry, index, options)),
    }))
  }

  /** Puts in force what the time of the day says, now and from now on. */
  start(): void {
    this.stop()
    this.#ruling = undefined
    this.#lookedAt = Number.POSITIVE_INFINITY
    if (this.#entries.length > 0) this.#look()
  }

  stop(): void {
    this.#cancel()
  }

  #look(): void {
    const now = this.#clock.now()
    // Between two moments that have no tick between them nothing changes: most looks are only at the clock.
    if (now < this.#lookedAt || now >= this.#nextAt) {
      this.#nextAt = this.#nextAfter(now)
      this.#rule(this.#rulingAt(now))
    }
    this.#lookedAt = now
    this.#cancel = this.#clock.after(waitFor(this.#nextAt, now), () => this.#look())
  }

  #rule(ruling: Ruling | undefined): void {
    if (!ruling || (ruling.index === this.#ruling?.index && ruling.at === this.#ruling.at)) return
    this.#ruling = ruling
    const { cron, limits } = this.#entries[ruling.index] as Entry
    this.#apply(limits, { entry: ruling.index, cron, at: ruling.at, nextAt: this.#nextAt })
  }

  #rulingAt(now: number): Ruling | undefined {
    let ruling: Ruling | undefined
    this.#entries.forEach(({ times }, index) => {
      const at = times.latest(now)
      if (at !== undefined && at >= (ruling?.at ?? at)) ruling = { index, at }
    })
    return ruling
  }

  #nextAfter(now: number): number {
    return Math.min(...this.#entries.map(({ times }) => times.next(now) ?? Number.POSITIVE_INFINITY))
  }
}

function limitsOf(
  own: Limits,
  { limits }: ScheduledLimits,
  index: number,
  { own: { rate }, check }: Pick<LimitScheduleOptions, 'own' | 'check'>,
): Limits {
  const path = `schedule.${index}.limits`
  if (limits.rate?.scope !== undefined && limits.rate.scope !== (rate?.scope ?? 'queue')) {
    const message = `${path}.rate.scope is fixed at the start, by the consumer's own rate.`
    throw new ForebayError('INVALID_OPTION', message, { path: `${path}.rate.scope` })
  }
  try {
    const merged = withLimits(own, limits)
    check(merged)
    return merged
  } catch (thrown) {
    if (!(thrown instanceof ForebayError)) throw thrown
    const at = thrown.path === undefined ? path : `${path}.${thrown.path}`
    throw new ForebayError(thrown.code, `${path}: ${thrown.message}`, { path: at })
  }
}
