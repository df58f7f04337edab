/** The time limits of all attempts that run, on one timer: most attempts end long before theirs. */

import type { Clock } from '../clock.ts'
import { Alarm } from './alarm.ts'

/** What has a time limit. */
export interface Timed {
  /** By the monotonic clock; Infinity: it has none, or it is over. */
  readonly lateAt: number
  /** Its time is over. It has no limit any more. */
  late(): void
}

export class Deadlines {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #underWay: () => readonly Timed[]

  /** @param underWay What has a limit now. */
  constructor(clock: Clock, underWay: () => readonly Timed[]) {
    this.#clock = clock
    this.#alarm = new Alarm(clock, () => this.#ring())
    this.#underWay = underWay
  }

  /** One more is under way. */
  begun({ lateAt }: Timed, now: number): void {
    this.#alarm.set(lateAt, now)
  }

  /** Nothing runs any more. */
  rest(): void {
    this.#alarm.cancel()
  }

  #ring(): void {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const timed of this.#underWay()) {
      if (timed.lateAt <= now) timed.late()
      else next = Math.min(next, timed.lateAt)
    }
    this.#alarm.set(next, now)
  }
}
