/**
 * When will a task start that is enqueued now? What stands before it, over the rate at which that goes away:
 *
 *     position = max(0, ahead + behind + own + share others - d age)     tasks that start before it
 *     busy     = position >= 1, or as many in flight as while tasks waited
 *     startsIn = max(delay, busy ? (position + 1/2) / d : 0)
 *
 * from a look at the queue that is `age` old: `ahead`, the ready tasks that go before it, of which d a second have started
 * since. What was pushed since then is counted, not looked at: `own`, into the newcomer's line and no less urgent, all go
 * before it; `others`, into other lines, do so in the share that those lines had then, share = ahead / ready (1 if none
 * was ready). `behind` is what waits outside the queue and goes in before it. d is the measured drain rate (drain-meter.ts).
 * The half: the next start is half an interval away, on the mean.
 *
 * This is the fluid queue's wait (Lindley's recursion) for a server of rate d. It cannot know what has not come yet: tasks
 * that are more urgent, or of keys that have had less than their share, and come later go before it as well.
 *
 * Regimes: idle (it starts at once); busy and nothing before it (as many run as may run: half an interval); a backlog.
 * Units: milliseconds, tasks, tasks per second.
 */

/** The queue as it was seen, as far as the newcomer's place depends on it. */
export interface Look {
  /** Ready tasks that go before it. */
  readonly ahead: number
  readonly ready: number
  readonly inFlight: number
}

export interface Since {
  /** How long ago the look was, ms. */
  readonly ageMs: number
  readonly own: number
  readonly others: number
  /** Tasks that wait outside the queue, before it. */
  readonly behind: number
}

export interface Drain {
  /** Above 0. */
  readonly perSecond: number
  /** How many were in flight while tasks waited: then no more may run. Undefined: not known. */
  readonly inFlight: number | undefined
}

export interface StartEstimate {
  /** From now on, ms. */
  readonly startsInMs: number
  /** How many tasks start before it. 0: it is the next. */
  readonly position: number
  /** The drain rate by which it was reckoned. */
  readonly perSecond: number
}

/** @param delayMs Its own delay, before which it does not start. */
export function estimateStart(look: Look, since: Since, drain: Drain, delayMs: number): StartEstimate {
  const { perSecond } = drain
  const share = look.ready === 0 ? 1 : Math.min(1, look.ahead / look.ready)
  const joined = look.ahead + since.behind + since.own + share * since.others
  const position = Math.max(0, joined - (perSecond * since.ageMs) / 1_000)
  const allBusy = drain.inFlight !== undefined && drain.inFlight > 0 && look.inFlight >= drain.inFlight
  const busy = position >= 1 || allBusy
  return {
    startsInMs: Math.max(delayMs, busy ? (1_000 * (position + 0.5)) / perSecond : 0),
    position: Math.round(position),
    perSecond,
  }
}
