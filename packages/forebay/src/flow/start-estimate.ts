/**
 * When will a task start that is enqueued now? What stands before it, over the rate at which that goes away:
 *
 *     position = max(0, ahead + behind + own + share others - d age)     tasks that start before it, of those that are there
 *     busy     = position >= 1, or as many in flight as while tasks waited
 *     W        = busy ? (position + 1/2) / d : 0
 *     wait     = W d / (d - u) if that is at most H, else W + u H / d
 *     startsIn = max(delay, wait)
 *
 * from a look at the queue that is `age` old: `ahead`, the ready tasks that go before it, of which d a second have started
 * since. What was pushed since then is counted, not looked at: `own`, into the newcomer's line and no less urgent, all go
 * before it; `others`, into other lines, do so in the share that those lines had then, share = ahead / ready (1 if none
 * was ready). `behind` is what waits outside the queue and goes in before it. d is the measured start rate (drain-meter.ts).
 * The half: the next start is half an interval away, on the mean. W is the fluid queue's wait (Lindley's recursion).
 *
 * What has not come yet and is more urgent goes before it as well: u a second, as they come now, for as long again as the
 * queue has been busy, H. (That a thing will last as long again as it has lasted is the median guess of who knows nothing
 * else: J. R. Gott, Nature 363, 1993.) Tasks of keys that have had less than their share overtake too; they are not foreseen.
 *
 * Regimes: idle (it starts at once); busy and nothing before it (as many run as may run: half an interval); a backlog;
 * a backlog that more urgent tasks keep growing. Units: milliseconds, tasks, tasks per second.
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
  /** How many come a second that go before it although they come later. */
  readonly urgentPerSecond: number
  /** How long tasks have been waiting without a pause, ms. */
  readonly busyForMs: number
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
  const waitMs = position >= 1 || allBusy ? overtaken((1_000 * (position + 0.5)) / perSecond, drain) : 0
  return { startsInMs: Math.max(delayMs, waitMs), position: Math.round(position), perSecond }
}

/** The wait, with what will overtake it meanwhile. */
function overtaken(waitMs: number, { perSecond, urgentPerSecond, busyForMs }: Drain): number {
  const share = urgentPerSecond / perSecond
  const whileTheyCome = share < 1 ? waitMs / (1 - share) : Number.POSITIVE_INFINITY
  return whileTheyCome <= busyForMs ? whileTheyCome : waitMs + share * busyForMs
}
