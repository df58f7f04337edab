/**
 * A replay from its first request to its record: straight at a target, or through a queue until that is empty.
 *
 * What is measured where: due times and the door's answers at the producer (this process); arrivals and what was served at the
 * downstream, by its own log. If nobody there can be asked, a target's 2xx answers or the queue's own count of completed
 * tasks stand in for `completed`, and the figures that only the downstream can know are `null`.
 */

import { type Clock, sleep } from '../clock.ts'
import { asForebayError } from '../errors.ts'
import type { Downstream } from './downstream.ts'
import type { Arrival, ReplayRecord } from './figures.ts'
import { type Door, type LoadOptions, type LoadReport, offerLoad } from './load.ts'
import type { QueueProbe, QueueState } from './queue-probe.ts'

export interface ReplaySetup {
  /** When each request is due, milliseconds from the start, never falling. */
  readonly dueMs: ArrayLike<number>
  readonly door: Door
  /** undefined: nobody at the downstream can be asked. */
  readonly downstream: Downstream | undefined
  /** The rate that the queue keeps, or that the fluid bound is computed for. */
  readonly rate: number | undefined
  readonly load: LoadOptions
}

export interface QueueReplaySetup extends ReplaySetup {
  readonly probe: QueueProbe
  /** Called with each look at the queue while it drains. */
  readonly onState?: (state: QueueState) => void
}

export interface Replay {
  readonly record: ReplayRecord
  readonly load: LoadReport
}

/** How often the queue is looked at while it drains. */
const LOOK_EVERY_MS = 250

/** A queue that shows no change for this long, or for ten tasks' time at its rate, is given up. */
const STALLED_MS = 60_000

/** Replays straight at a target. */
export async function replayAtTarget(setup: ReplaySetup): Promise<Replay> {
  const load = await offerLoad(setup.dueMs, setup.door, setup.load)
  const arrivals = await setup.downstream?.arrivals(load.startEpochMs)
  return {
    load,
    record: { ...recordOf(setup, load, arrivals), doorCompletes: true, dead: 0, stillQueued: 0 },
  }
}

/** Replays through a queue, and waits until the queue is empty or stands still. */
export async function replayThroughQueue(setup: QueueReplaySetup): Promise<Replay> {
  const before = await setup.probe()
  const load = await offerLoad(setup.dueMs, setup.door, setup.load)
  const after = await drained(setup)
  const arrivals = await setup.downstream?.arrivals(load.startEpochMs)
  const completed = (after.completed ?? 0) - (before.completed ?? 0)
  return {
    load,
    record: {
      ...recordOf(setup, load, arrivals),
      doorCompletes: false,
      dead: Math.max(0, after.dead - before.dead),
      stillQueued: after.waiting,
      ...(arrivals === undefined && { completedByCount: completed }),
    },
  }
}

type Observed = Pick<ReplayRecord, 'rate' | 'durationMs' | 'dueMs' | 'door' | 'arrivals'>

function recordOf({ rate, dueMs }: ReplaySetup, load: LoadReport, arrivals: Arrival[] | undefined): Observed {
  let durationMs = 0
  for (const endedMs of load.endedMs) durationMs = Math.max(durationMs, endedMs)
  for (const { atMs } of arrivals ?? []) durationMs = Math.max(durationMs, atMs)
  return { rate, durationMs, dueMs, door: load.door, arrivals }
}

/** Resolves with the state in which the queue was left: empty, or as it stood when it had not changed for too long. */
async function drained({ probe, rate, load, onState }: QueueReplaySetup): Promise<QueueState> {
  const { clock, signal } = load
  const patienceMs = Math.max(STALLED_MS, 10_000 / (rate ?? 1))
  let last: QueueState = { waiting: Number.NaN, dead: 0, completed: undefined }
  let changedAt = clock.monotonic()
  for (;;) {
    const state = await look(probe, clock, changedAt + patienceMs)
    onState?.(state)
    if (state.waiting === 0) return state
    if (state.waiting !== last.waiting || state.completed !== last.completed) changedAt = clock.monotonic()
    else if (clock.monotonic() - changedAt > patienceMs) return state
    last = state
    await sleep(clock, LOOK_EVERY_MS, signal)
  }
}

/** A queue that cannot be asked for a moment (its gateway restarts) is asked again until `until`. */
async function look(probe: QueueProbe, clock: Clock, until: number): Promise<QueueState> {
  for (;;) {
    try {
      return await probe()
    } catch (thrown) {
      if (clock.monotonic() > until) throw asForebayError(thrown)
      await sleep(clock, LOOK_EVERY_MS)
    }
  }
}
