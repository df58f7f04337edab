/**
 * The port of a rate that all consumers of a queue keep together, in however many processes.
 *
 * The engine holds one pacer (flow/pacer.ts) a queue, by its own clock. A consumer reserves starts ahead of time, in
 * batches, for tasks that it has claimed; each start is a slot of its own, so the sum over all processes keeps the law of a
 * single pacer: starts(W) <= 1 + floor(r (W + J)), J being how late a slot may be used plus the error of a clock's offset.
 * What a process that died had reserved is lost with it: at most `horizonMs` of flow, and only that.
 */

export interface SlotRequest {
  readonly perSecond: number
  readonly rampMs: number
  /** At most this many. */
  readonly want: number
  /** None sooner than this from now, ms: what the answer takes to arrive. */
  readonly leadMs: number
  /** None later than this from now, ms. */
  readonly horizonMs: number
}

/** Times by the engine's clock, ms: outside of it only their differences mean anything. */
export interface Slots {
  /** When the answer was made. */
  readonly now: number
  /** The engine's time less the caller's monotonic time, where the engine knows it; else it is guessed from the round trip. */
  readonly ahead?: number
  /** Ascending. */
  readonly at: readonly number[]
  /** When the first start that nobody has reserved falls due; may be in the past. */
  readonly next: number
}

export interface SharedPacer {
  /** One atomic step. Wishes of several processes for different rates: the last one rules. */
  reserve(request: SlotRequest): Promise<Slots>
  /** Gives back the slots from `first` on, if nothing was reserved since (`next` is what that reservation told). */
  handBack(first: number, next: number): Promise<void>
  /** Nothing starts for `delayMs` from now in any process, except in slots that are reserved already; then the flow ramps up. */
  hold(delayMs: number): Promise<void>
}
