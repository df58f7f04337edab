/**
 * Intake: how admitted tasks come into the queue. What arrives together is stored together, in its order:
 *
 *     estimate, where one is needed -> too late for its own `ttlMs`? -> offered to the backend
 *         -> accepted, duplicate, conflict, or full: as the queue's overflow policy says (overflow.ts)
 */

import type { Bounds, NewTask, QueueService, StoredTask } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { StartEstimate } from '../flow/start-estimate.ts'
import { GroupCommit } from '../group-commit.ts'
import { GroupRelay } from '../group-relay.ts'
import type { RandomSource } from '../random.ts'
import { type Candidate, type Outcome, type Placed, refused } from './candidate.ts'
import { DepthGauge } from './depth-gauge.ts'
import { FullQueue } from './full-queue.ts'
import type { Overflow } from './overflow.ts'
import { Pusher } from './pusher.ts'
import { Refusing } from './refusing.ts'
import { Room } from './room.ts'
import { watchSettling } from './settling-watch.ts'
import { Spill } from './spill.ts'
import { SpillMover } from './spill-mover.ts'
import { StartEstimates } from './start-estimates.ts'
import { WaitingProducers } from './waiting-producers.ts'

/** What becomes of candidates, in their order. */
interface Placing {
  place(candidates: readonly Candidate[]): Promise<Placed[]>
}

/** Who is too late is told to come when it would be in time at a little less than the measured rate: it is not exact. */
const SAFETY = 0.95

export interface IntakeOptions {
  readonly queue: string
  readonly service: QueueService
  readonly bounds: Pick<Bounds, 'maxDepth' | 'maxBytes'>
  readonly overflow: Overflow
  /** Where `overflow: spill` spills to. */
  readonly spill: QueueService | undefined
  /** How many tasks lie there already. */
  readonly spilled: number
  readonly shedLate: boolean
  readonly expectedPerSecond: number | undefined
  readonly clock: Clock
  readonly random: RandomSource
  readonly onReturned: (task: NewTask) => void
  readonly onExpired: (task: StoredTask) => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

export class Intake {
  /** The queue's backend; watched where somebody waits for room. */
  readonly service: QueueService
  readonly estimates: StartEstimates
  readonly spill: Spill | undefined
  readonly #options: IntakeOptions
  readonly #gauge: DepthGauge
  readonly #pusher: Pusher
  readonly #refusing: Refusing
  readonly #placing: Placing
  readonly #waiting: WaitingProducers | undefined
  readonly #mover: SpillMover | undefined
  readonly #commits: Pick<GroupCommit<Candidate, Outcome>, 'add'>

  constructor(options: IntakeOptions) {
    const { queue, bounds, overflow, clock, expectedPerSecond, onError } = options
    this.#options = options
    const waits = typeof overflow !== 'string'
    this.service = waits ? watchSettling(options.service, (count) => room.noteFreed(count)) : options.service
    this.#gauge = new DepthGauge(this.service, clock, expectedPerSecond)
    const backendBounds = waits ? bounds : { ...bounds, overflow }
    const full = new FullQueue(queue, backendBounds, clock, this.#gauge)
    const room = new Room({ bounds, gauge: this.#gauge, clock, reserved: () => full.reserved, onError })
    const pusher = new Pusher(this.service, full)
    this.#pusher = pusher
    if (options.spill) {
      const spill = new Spill(options.spill, pusher, clock, options.spilled)
      this.spill = spill
      this.#mover = new SpillMover({ ...options, queue: this.service, spill, pusher, room })
    } else if (typeof overflow !== 'string' && overflow.policy === 'wait') {
      this.#waiting = new WaitingProducers({ ...overflow, pusher, full, room, clock, turn: this })
    }
    this.#refusing = new Refusing(pusher, full)
    this.#placing = this.spill ?? this.#waiting ?? this.#refusing
    this.estimates = new StartEstimates(this.#gauge, clock, this.service.capabilities, () => this.spill?.queued ?? 0)
    const { pushesInOrder = false } = this.service.capabilities
    // Where nothing is ever refused for want of room, nothing hangs on what became of those before.
    const Commits = pushesInOrder && !full.isBounded && this.#placing === this.#refusing ? GroupRelay : GroupCommit
    this.#commits = new Commits((candidates) => this.#commit(candidates))
  }

  /** Resolves with what became of it; rejects if the backend could not be asked. */
  add(candidate: Candidate): Promise<Outcome> {
    return this.#commits.add(candidate)
  }

  /** All at once, as part of their producer's own transaction; rejects if that failed. */
  async addWithin(candidates: readonly Candidate[], transaction: unknown): Promise<Outcome[]> {
    const place = (onTime: readonly Candidate[]) => this.#refusing.placeWithin(onTime, transaction)
    return Promise.all(await this.#commit(candidates, place))
  }

  /** How many wait for room. */
  get waiting(): number {
    return this.#waiting?.count ?? 0
  }

  /** Ends all waits for room. */
  endWaits(): void {
    this.#waiting?.close()
  }

  /** After the last `add`: lets go of the spill. */
  async close(): Promise<void> {
    await this.#mover?.stop()
    await this.spill?.service.close()
  }

  /** For tasks whose turn has come after a wait. */
  async prepare(candidates: readonly Candidate[]): Promise<void> {
    await this.estimates.prepare(
      candidates.filter((candidate) => this.#needsEstimate(candidate)).map(({ task }) => task),
    )
  }

  /** One that has waited came in. */
  accept(candidate: Candidate, outcome: Outcome): Outcome {
    if (outcome.status !== 'accepted') return outcome
    const estimate = this.estimates.of(candidate.task)
    this.estimates.expect(candidate.task)
    return withEstimate(candidate, outcome, estimate)
  }

  async #commit(
    candidates: readonly Candidate[],
    place: Placing['place'] = (onTime) => this.#placing.place(onTime),
  ): Promise<Placed[]> {
    if (candidates.some((candidate) => this.#needsEstimate(candidate))) return this.#judgeAndPlace(candidates, place)
    const results = await place(candidates)
    results.forEach((placed, index) => {
      if (isIn(placed)) this.estimates.expect((candidates[index] as Candidate).task)
      this.#noteDropped(placed)
    })
    return results
  }

  /** Each is judged as if those before it came in, so that of many as many are shed as would be too late. */
  async #judgeAndPlace(candidates: readonly Candidate[], place: Placing['place']): Promise<Placed[]> {
    await this.prepare(candidates)
    const placed = new Map<Candidate, Placed>()
    const estimates = new Map<Candidate, StartEstimate | undefined>()
    for (const candidate of candidates) {
      const estimate = this.#needsEstimate(candidate) ? this.estimates.of(candidate.task) : undefined
      const late = this.#lateness(candidate, estimate)
      if (late) placed.set(candidate, await this.#refuseLate(candidate, late))
      else {
        estimates.set(candidate, estimate)
        this.estimates.expect(candidate.task)
      }
    }
    const onTime = [...estimates.keys()]
    const results = await this.#placeExpected(onTime, place)
    for (const [index, candidate] of onTime.entries()) {
      const result = results[index] as Placed
      if (!isIn(result)) this.estimates.forget(candidate.task)
      this.#noteDropped(result)
      placed.set(
        candidate,
        result instanceof Promise ? result : withEstimate(candidate, result, estimates.get(candidate)),
      )
    }
    return candidates.map((candidate) => placed.get(candidate) as Placed)
  }

  async #placeExpected(candidates: readonly Candidate[], place: Placing['place']): Promise<Placed[]> {
    try {
      return await place(candidates)
    } catch (thrown) {
      for (const { task } of candidates) this.estimates.forget(task)
      throw thrown
    }
  }

  #noteDropped(placed: Placed): void {
    if (placed instanceof Promise || placed.status !== 'accepted' || !placed.dropped) return
    this.#gauge.noteEvicted(placed.dropped.length)
    if (this.#options.overflow === 'drop-oldest') this.estimates.noteFirstGone(placed.dropped.length)
  }

  #needsEstimate({ task, wantsEstimate }: Candidate): boolean {
    return wantsEstimate || (this.#options.shedLate && task.ttlMs !== undefined)
  }

  /** Its refusal if it would expire before it could start; undefined also if that is not known. */
  #lateness({ task: { ttlMs } }: Candidate, estimate: StartEstimate | undefined): ForebayError | undefined {
    const { shedLate, queue } = this.#options
    if (!shedLate || ttlMs === undefined || !estimate || !this.estimates.areReliable) return undefined
    const { startsInMs } = estimate
    if (startsInMs <= ttlMs) return undefined
    // Whole seconds, as the header carries them.
    const retryAfterMs = Math.ceil((startsInMs / SAFETY - ttlMs) / 1_000) * 1_000
    const message = `Queue "${queue}" would start the task in ${seconds(startsInMs)}, and its ttlMs gives it ${seconds(ttlMs)}. It was not stored; in ${seconds(retryAfterMs)} it would be in time.`
    return new ForebayError('TOO_LATE', message, { retryAfterMs, path: 'ttlMs' })
  }

  /** Unless it is there already. */
  async #refuseLate(candidate: Candidate, late: ForebayError): Promise<Outcome> {
    return (await this.#pusher.outcomeOfNamed(candidate)) ?? refused(late)
  }
}

/** Whether it is in the queue proper now: one that lies in the spill is counted there, and one that waits when its turn comes. */
function isIn(placed: Placed): boolean {
  return !(placed instanceof Promise) && placed.status === 'accepted' && !placed.spilled
}

function withEstimate(candidate: Candidate, outcome: Outcome, estimate: StartEstimate | undefined): Outcome {
  return outcome.status === 'accepted' && candidate.wantsEstimate && estimate ? { ...outcome, estimate } : outcome
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
