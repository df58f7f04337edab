/**
 * When a task would start, kept cheap: the backend is asked at most once in 200 ms for each kind of newcomer (its line and
 * its priority), for all who want to know, and what this process pushes meanwhile is counted. The formula is in
 * flow/start-estimate.ts.
 *
 * A backend that cannot tell a newcomer's place (`ahead: false`) is taken for one line, in which all ready tasks go first.
 */

import type { Capabilities, Depth, Newcomer, NewTask } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ArrivalRates } from '../flow/arrival-rates.ts'
import { estimateStart, type Look, type StartEstimate } from '../flow/start-estimate.ts'
import type { DepthGauge } from './depth-gauge.ts'

/** A look is as good as a new one for so long. */
const FRESH_MS = 200
/** And is used for so long if there are more kinds of newcomers than may be looked for. */
const USABLE_MS = 1_000
/** Kinds of newcomers that are looked for within `FRESH_MS`, at most: of further ones nothing is known. */
const MOST_LOOKS = 20

interface Place {
  readonly newcomer: Newcomer
  readonly look: Look
  readonly at: number
  own: number
  others: number
}

/** Below this the queue stands, and any time would be invented. */
const LEAST_PER_SECOND = 1e-6

export class StartEstimates {
  readonly #gauge: DepthGauge
  readonly #clock: Clock
  readonly #tellsPlaces: boolean
  readonly #behind: () => number
  readonly #places = new Map<string, Place>()
  /** By their priorities. */
  readonly #arrivals = new ArrivalRates()
  readonly #looking = new Map<string, Promise<void>>()
  /** When the last looks began, oldest first. */
  #looks: number[] = []

  /** @param behind How many tasks wait outside the queue and go in before any newcomer. */
  constructor(gauge: DepthGauge, clock: Clock, { ahead }: Capabilities, behind: () => number) {
    this.#gauge = gauge
    this.#clock = clock
    this.#tellsPlaces = ahead
    this.#behind = behind
  }

  /** Sees to it that `of` can tell about these. Never rejects: what cannot be looked at is not known. */
  async prepare(newcomers: Iterable<Newcomer>): Promise<void> {
    const looking = new Map<string, Promise<void>>()
    for (const newcomer of newcomers) {
      const kind = this.#kindOf(newcomer)
      if (!looking.has(kind)) looking.set(kind, this.#lookFor(kind, newcomer))
    }
    await Promise.all(looking.values())
  }

  /** Of a task that would be pushed now; undefined if it is not known. */
  of(task: Newcomer & Partial<Pick<NewTask, 'ordered' | 'delayMs'>>): StartEstimate | undefined {
    const place = this.#places.get(this.#kindOf(task))
    const perSecond = this.#gauge.starts.atLeastPerSecond
    // What an ordered task waits for is not its place among the ready ones.
    if (!place || task.ordered || perSecond === undefined || perSecond < LEAST_PER_SECOND) return undefined
    const now = this.#clock.monotonic()
    const ageMs = now - place.at
    if (ageMs > USABLE_MS) return undefined
    const since = { ageMs, own: place.own, others: place.others, behind: this.#behind() }
    const { inFlightWhileBusy: inFlight, busyForMs } = this.#gauge
    const urgentPerSecond = this.#tellsPlaces ? this.#arrivals.perSecondAbove(task.priority, now) : 0
    return estimateStart(place.look, since, { perSecond, inFlight, urgentPerSecond, busyForMs }, task.delayMs ?? 0)
  }

  /** Whether the rate of the estimates is what the queue can do, and not only what it was asked to do of late. */
  get areReliable(): boolean {
    return this.#gauge.starts.perSecond !== undefined
  }

  /** A task was pushed, or is about to be: those that come after it stand behind it. */
  expect(task: NewTask): void {
    // Nobody has asked for an estimate yet: then nothing needs to be counted.
    if (this.#places.size === 0) return
    this.#arrivals.note(task.priority, this.#clock.monotonic())
    this.#count(task, 1)
  }

  /** An expected task did not come in. */
  forget(task: NewTask): void {
    this.#count(task, -1)
  }

  /** So many of those that would have started first were dropped. */
  noteFirstGone(count: number): void {
    for (const place of this.#places.values()) place.own -= count
  }

  #count(task: NewTask, change: 1 | -1): void {
    if (task.delayMs > 0) return
    for (const place of this.#places.values()) {
      const sameLine = !this.#tellsPlaces || lineOf(task) === lineOf(place.newcomer)
      if (!sameLine) place.others += change
      else if (!this.#tellsPlaces || task.priority >= place.newcomer.priority) place.own += change
    }
  }

  #kindOf(newcomer: Newcomer): string {
    if (!this.#tellsPlaces) return ''
    return JSON.stringify([newcomer.priority, lineOf(newcomer), newcomer.weight])
  }

  #lookFor(kind: string, newcomer: Newcomer): Promise<void> {
    const now = this.#clock.monotonic()
    const place = this.#places.get(kind)
    if (place && now - place.at < FRESH_MS) return Promise.resolve()
    const underWay = this.#looking.get(kind)
    if (underWay) return underWay
    this.#looks = this.#looks.filter((at) => now - at < FRESH_MS)
    if (this.#looks.length >= MOST_LOOKS) return Promise.resolve()
    this.#looks.push(now)
    const look = this.#gauge
      .look(this.#tellsPlaces ? newcomer : undefined)
      .then((depth) => this.#keep(kind, newcomer, depth))
      .catch(() => undefined)
      .finally(() => this.#looking.delete(kind))
    this.#looking.set(kind, look)
    return look
  }

  #keep(kind: string, newcomer: Newcomer, { ready, inFlight, ahead = ready }: Depth): void {
    const at = this.#clock.monotonic()
    for (const [other, place] of this.#places) if (at - place.at > USABLE_MS) this.#places.delete(other)
    const { key, weight, priority } = newcomer
    const line = { ...(key !== undefined && { key }), ...(weight !== undefined && { weight }), priority }
    this.#places.set(kind, { newcomer: line, look: { ahead, ready, inFlight }, at, own: 0, others: 0 })
  }
}

/** Undefined: the common line. */
function lineOf({ key, weight }: Newcomer): string | undefined {
  return weight === undefined ? undefined : key
}
