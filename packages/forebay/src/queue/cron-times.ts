/**
 * The ticks of a cron pattern in a time zone, as pure times: the one that follows a moment, and the latest one before it.
 *
 * The patterns are croner's (https://croner.56k.guru): five fields (minute hour day-of-month month day-of-week), or six with
 * seconds before them; names, lists, ranges, steps, L, W, # and nicknames such as @daily. croner only computes here, from
 * moments that it is given: it starts no timer and reads no clock.
 *
 * When clocks change (Europe/Berlin, 02:00 to 03:00 in March and 03:00 to 02:00 in October):
 *
 *     30 2 * * *     a fixed time (no * or step in its fields of time): in March once, at 03:00; in October once, the first 02:30
 *     0,30 * * * *   the same hour after hour: in March none between 02:00 and 03:00, in October both of each
 */

import { Cron } from 'croner'
import { ForebayError, messageOf } from '../errors.ts'

export interface CronPattern {
  /** Five fields, or six with seconds first; or a nickname such as `@hourly`. */
  readonly cron: string
  /** An IANA name such as `Europe/Berlin`. Default `UTC`, so that all processes agree wherever they run. */
  readonly timeZone?: string
}

/** Who waits for a tick looks again this often, ms: the wall clock may be set, and a machine may sleep. */
const LOOK_AGAIN_MS = 60_000

/** From here on a pattern that ever comes has come: 29 February on a given weekday takes 40 years at most. */
const LONG_AGO = 0

export class CronTimes {
  readonly #cron: Cron

  /** @throws ForebayError INVALID_OPTION at `path`, for a pattern that is none, that never comes, or an unknown time zone. */
  constructor({ cron, timeZone = 'UTC' }: CronPattern, path = 'cron') {
    try {
      // "no-wildcard": a list of hours is fixed times as well, so "30 2,14 * * *" loses no run when clocks change.
      this.#cron = new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' })
    } catch (cause) {
      const message = `"${cron}" is no cron pattern: ${messageOf(cause)
        .replace(/^CronPattern: /, '')
        .replace(/\.$/, '')}.`
      throw new ForebayError('INVALID_OPTION', message, { path, cause })
    }
    if (this.#cron.getPattern() === undefined) {
      throw new ForebayError('INVALID_OPTION', `"${cron}" is a moment, and no cron pattern.`, { path })
    }
    this.#checkZone(timeZone, path)
    if (this.next(LONG_AGO) === undefined) {
      throw new ForebayError('INVALID_OPTION', `"${cron}" never comes.`, { path })
    }
  }

  /** The first tick after `moment`, both epoch ms; undefined if none comes before the year 10,000. */
  next(moment: number): number | undefined {
    return this.#cron.nextRun(new Date(Math.floor(moment)))?.getTime()
  }

  /** The latest tick at `moment` or before it. */
  latest(moment: number): number | undefined {
    // croner looks strictly before what it is given.
    const [latest] = this.#cron.previousRuns(1, new Date(Math.floor(moment) + 1))
    return latest?.getTime()
  }

  #checkZone(timeZone: string, path: string): void {
    try {
      new Intl.DateTimeFormat('en-US', { timeZone })
    } catch (cause) {
      const message = `"${timeZone}" is no time zone such as Europe/Berlin or UTC.`
      throw new ForebayError('INVALID_OPTION', message, { path: path.replace(/cron$/, 'timeZone'), cause })
    }
  }
}

/** How long to wait for a tick before looking again, ms: timers do not follow the wall clock. */
export function waitFor(tick: number, now: number): number {
  return Math.min(Math.max(tick - now, 0), LOOK_AGAIN_MS)
}
