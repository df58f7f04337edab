/**
 * Overflow `spill`: what does not fit lies in a second queue of the same name on another backend, as durably as that one
 * promises, and `SpillMover` brings it back in order when there is room.
 *
 *     empty        newcomers go into the queue proper; what does not fit goes into the spill
 *     in use       newcomers go into the spill as well, behind what lies there (one that was promised a place does not), so
 *                  the order is kept: exactly for the tasks of one producing process, and for those of several within the
 *                  quarter of a second after which each sees that another has spilled
 *
 * A newcomer that its producer named (`id`, `dedupId`) is offered to the queue proper first, where it may turn out to be a
 * duplicate. The spill has no bound of its own: that of its disk.
 */

import type { Depth, FoundTask, PushResult, QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { type Candidate, conflict, type Outcome, refused } from './candidate.ts'
import type { Pusher } from './pusher.ts'
import { seenInSpill, toSpilled } from './spilled-task.ts'

/** How soon it is seen that another process has spilled or brought back. */
const SEEN_WITHIN_MS = 250

export class Spill {
  readonly service: QueueService
  readonly #pusher: Pusher
  readonly #clock: Clock
  #queued: number
  #askedAt = Number.NEGATIVE_INFINITY
  /** Counts what is put in: a count that was asked for before it is out of date. */
  #pushes = 0

  /** @param queued How many lie in it already. */
  constructor(service: QueueService, pusher: Pusher, clock: Clock, queued: number) {
    this.#queued = queued
    this.service = service
    this.#pusher = pusher
    this.#clock = clock
  }

  /** How many lie in it, as far as this process knows. */
  get queued(): number {
    return this.#queued
  }

  async place(candidates: readonly Candidate[]): Promise<Outcome[]> {
    this.#recountSoon()
    const placed: Outcome[] = []
    for (const run of this.#pusher.inRuns(candidates)) placed.push(...(await this.#placeRun(run)))
    return placed
  }

  depth(): Promise<Depth> {
    return this.service.depth()
  }

  /** Of a task that lies in it; undefined if none does. */
  async find(id: string): Promise<FoundTask | undefined> {
    this.#recountSoon()
    if (this.#queued === 0 || !this.service.capabilities.find) return undefined
    const [found] = await this.service.find([id])
    return found && seenInSpill(found)
  }

  /** Asks how many lie in it. */
  async recount(): Promise<void> {
    const pushes = this.#pushes
    this.#askedAt = this.#clock.monotonic()
    const { ready, delayed, inFlight } = await this.service.depth()
    if (pushes === this.#pushes) this.#queued = ready + delayed + inFlight
  }

  #recountSoon(): void {
    const { sharedByProcesses } = this.service.capabilities
    if (!sharedByProcesses || this.#clock.monotonic() - this.#askedAt < SEEN_WITHIN_MS) return
    // What it could not be asked now it is told with the next push.
    this.recount().catch(() => undefined)
  }

  async #placeRun(candidates: readonly Candidate[]): Promise<Outcome[]> {
    const results = await this.#pusher.push(candidates, this.#queued > 0)
    const outcomes = candidates.map((candidate, index) =>
      this.#pusher.outcomeOf(candidate, results[index] as PushResult),
    )
    const spilling = candidates.filter((_, index) => outcomes[index] === undefined)
    const spilled = await this.#spill(spilling)
    return outcomes.map((outcome) => outcome ?? (spilled.shift() as Outcome))
  }

  async #spill(candidates: readonly Candidate[]): Promise<Outcome[]> {
    const outcomes = candidates.map((candidate) => this.#refusal(candidate))
    const taken = candidates.filter((_, index) => outcomes[index] === undefined)
    if (taken.length === 0) return outcomes as Outcome[]
    const spilled = await this.#push(taken)
    return outcomes.map((outcome) => outcome ?? (spilled.shift() as Outcome))
  }

  async #push(taken: readonly Candidate[]): Promise<Outcome[]> {
    const { service } = this
    // From now on, not from the answer on: what comes meanwhile goes behind it.
    this.#pushes++
    this.#queued += taken.length
    try {
      const results = await service.push(taken.map(({ task }) => toSpilled(task, service.capabilities)))
      const spilled = taken.map((candidate, index) => this.#told(candidate, results[index] as PushResult))
      this.#queued -= spilled.filter(({ status }) => status !== 'accepted').length
      return spilled
    } catch (thrown) {
      // Of those that went into the queue proper with the same push the truth is known: only these are refused.
      const error = asForebayError(thrown, 'BACKEND_UNAVAILABLE')
      return taken.map(() => refused(error))
    } finally {
      this.#pushes++
    }
  }

  #told({ task }: Candidate, result: PushResult): Outcome {
    switch (result.status) {
      case 'accepted':
        return { status: 'accepted', id: result.id, spilled: true }
      case 'duplicate':
        return result
      case 'conflict':
        return conflict(task.dedup?.id, result.id)
      case 'full':
        return refused(new ForebayError('QUEUE_FULL', 'The queue and its spill are full. The task was not stored.'))
    }
  }

  /** Of a task that the spill's backend cannot keep as it must be kept. */
  #refusal({ task }: Candidate): Outcome | undefined {
    const { backend, capabilities } = this.service
    const wish =
      task.ordered && !capabilities.keyOrder
        ? 'the order of keys'
        : task.dedup && capabilities.maxDedupWindowMs < task.dedup.windowMs
          ? `a dedup window of ${task.dedup.windowMs} ms`
          : undefined
    if (wish === undefined) return undefined
    const message = `The queue is full, and the ${backend} backend that takes what does not fit cannot keep ${wish}. The task was not stored.`
    return refused(new ForebayError('UNSUPPORTED', message, { path: 'overflow.to' }))
  }
}
