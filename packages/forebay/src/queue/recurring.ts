/**
 * Recurring tasks: one task at each tick of a cron pattern, once, in however many processes the same recurrence runs.
 *
 * There is no leader. Every process enqueues the task of every tick, under an id that is made of the recurrence's name and
 * the tick; the queue takes the first and answers the others as duplicates. So any process may die, and the tick is kept as
 * long as one lives. What makes that hold:
 *
 *     a tick is remembered for W = 1 h after it was enqueued (less where the backend cannot: its longest window)
 *     a process enqueues a tick at most L = W/12 = 5 min late; later it is missed
 *     hence no process enqueues it again after it was forgotten, unless it is frozen for longer than W - L between deciding
 *     and enqueueing, or the clocks of two processes differ by more than that
 *
 * Only the wall clock decides: it is looked at once a minute at least, so a clock that is set and a machine that slept
 * delay a tick by a minute and by no more, and nothing drifts. A clock that is set back fires no tick twice, one that is
 * set ahead fires the last L of ticks at most.
 *
 * Ticks are missed when no process was there to enqueue them in time. `skip` leaves them out. `once` makes up for them with
 * one task, the last tick's: for that a tick is remembered until W after the *next* one, so that a process that starts in
 * between can tell by the queue's own memory whether its last tick was enqueued. The very first start has nothing to
 * remember, so it makes up for the last tick before it, unless `since` says that none was due.
 */

import { type Clock, sleep } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import { fullJitter } from '../flow/backoff.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import { type CronPattern, CronTimes, waitFor } from './cron-times.ts'
import type { LoadLevelingQueue } from './load-leveling-queue.ts'
import type { AnyTaskTypes, InputOf, TaskTypes } from './task-types.ts'

export interface Tick {
  /** The recurrence's. */
  readonly name: string
  /** When it was due, epoch ms. */
  readonly at: number
  /** Whether it makes up for ticks that were missed. */
  readonly missed: boolean
}

type OwnFields = 'id' | 'dedupId' | 'dedupWindowMs'
type WithoutOwn<Input> = Input extends unknown ? Omit<Input, OwnFields> : never

export interface RecurringOptions<Types extends TaskTypes = AnyTaskTypes> extends CronPattern {
  /** Names the recurrence among those of its queue, in all processes: 1 to 64 letters, digits, `.`, `_` and `-`. */
  readonly name: string
  /** Makes the task of a tick. Its id is the recurrence's to choose. */
  readonly task: (tick: Tick) => WithoutOwn<InputOf<Types>>
  /** What becomes of ticks that no process was there for: `skip` or `once`. Default `skip`, as cron does. */
  readonly missed?: 'skip' | 'once'
  /** With `once`: a Date or epoch ms; ticks before it were never due. Default: the last tick counts, however old. */
  readonly since?: Date | number
  /** Where the jitter of retries comes from. Default: the system's source. */
  readonly random?: RandomSource
}

export interface RecurringEvents {
  /** The task of a tick is in the queue: by this process (`accepted`), or by another one before it (`duplicate`). */
  fired: { readonly tick: Tick; readonly id: string; readonly status: 'accepted' | 'duplicate' }
  /** No task will come of the ticks up to this one, which were not enqueued in time: by this process at least. */
  missed: { readonly name: string; readonly at: number }
  /** A tick could not be enqueued. `retryInMs`: tried again then; undefined: it is given up, as its task is wrong. */
  error: { readonly tick: Tick; readonly error: ForebayError; readonly retryInMs: number | undefined }
}

/** What a tick is remembered for beyond the time in which it may come, W in the file's comment, ms. */
const REMEMBERED_MS = 3_600_000
/** A shorter memory is no ground to promise anything on. */
const LEAST_REMEMBERED_MS = 60_000
/** Of W, so late may a tick be: the rest is for clocks that differ and processes that are frozen. */
const LATE_SHARE = 1 / 12

const BACKOFF = { baseMs: 1_000, capMs: 30_000 }

/**
 * Enqueues a task at each tick, until `stop`. It keeps the process alive.
 * @throws ForebayError INVALID_OPTION; UNSUPPORTED where the backend does not remember ids for long enough.
 */
export function recurring<Types extends TaskTypes>(
  queue: LoadLevelingQueue<Types>,
  options: RecurringOptions<NoInfer<Types>>,
): Recurring<Types> {
  return new Recurring(queue, options)
}

export class Recurring<Types extends TaskTypes = AnyTaskTypes> {
  readonly name: string
  readonly #queue: LoadLevelingQueue<Types>
  readonly #options: RecurringOptions<Types>
  readonly #times: CronTimes
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #rememberedMs: number
  readonly #lateMs: number
  readonly #events = new Emitter<RecurringEvents>()
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  /** Ticks up to here are dealt with, epoch ms. */
  #last: number

  constructor(queue: LoadLevelingQueue<Types>, options: RecurringOptions<Types>) {
    this.name = options.name
    this.#queue = queue
    this.#options = options
    this.#clock = queue.clock
    this.#random = options.random ?? systemRandom
    this.#times = new CronTimes(options)
    checkOptions(options)
    this.#rememberedMs = Math.min(REMEMBERED_MS, queue.service.capabilities.maxDedupWindowMs)
    this.#lateMs = this.#rememberedMs * LATE_SHARE
    const now = this.#clock.now()
    this.#checkMemory(now)
    // Of the ticks before the start, `once` looks at the latest alone.
    this.#last =
      options.missed === 'once' ? Math.max((this.#times.latest(now) ?? now) - 1, sinceOf(options.since) - 1) : now
    this.#done = this.#run()
  }

  /** When the next tick is due, epoch ms. */
  get nextAt(): number | undefined {
    return this.#times.next(this.#clock.now())
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof RecurringEvents>(name: Name, listener: Listener<RecurringEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Enqueues nothing more; resolves when what was under way is over. Works twice. */
  stop(): Promise<void> {
    this.#stop.abort()
    return this.#done
  }

  async #run(): Promise<void> {
    // Whoever made it gets to listen before anything is told.
    await Promise.resolve()
    const { signal } = this.#stop
    // Nothing is due between two moments that have no tick between them: most looks are only at the clock.
    let lookedAt = Number.POSITIVE_INFINITY
    let next = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      const now = this.#clock.now()
      const tick = lookedAt <= now && now < next ? undefined : this.#due(now)
      if (tick) {
        await this.#fire(tick)
        this.#last = Math.max(this.#last, tick.at)
        continue
      }
      if (now >= next || now < lookedAt) next = this.#times.next(now) ?? Number.POSITIVE_INFINITY
      lookedAt = now
      await sleep(this.#clock, waitFor(next, now), signal).catch(() => undefined)
    }
  }

  /** The next tick to enqueue now; undefined if none is due. */
  #due(now: number): Tick | undefined {
    // The clock was set back, far beyond what it may be wrong by: it counts from there.
    if (this.#last > now + this.#rememberedMs) this.#last = now
    const tooLate = now - this.#lateMs
    const inTime = this.#times.next(Math.max(this.#last, tooLate))
    const isDue = inTime !== undefined && inTime <= now
    const missed = this.#times.latest(tooLate)
    if (missed !== undefined && missed > this.#last) {
      if (this.#options.missed !== 'once') this.#miss(missed)
      // A tick that is in time makes up for the missed ones as well.
      else if (!isDue) return { name: this.name, at: missed, missed: true }
    }
    return isDue ? { name: this.name, at: inTime, missed: false } : undefined
  }

  /** Ends when the tick is in the queue, is given up, or the recurrence is stopped. */
  async #fire(tick: Tick): Promise<void> {
    const { signal } = this.#stop
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.#enqueue(tick)
      } catch (thrown) {
        const error = asForebayError(thrown)
        if (error.code === 'QUEUE_CLOSED') return this.#stop.abort()
        const mayPass = MAY_PASS.has(error.status)
        const retryInMs = error.retryAfterMs ?? fullJitter(failures, this.#random.next(), BACKOFF)
        this.#events.emit('error', { tick, error, retryInMs: mayPass ? retryInMs : undefined })
        if (!mayPass) return
        if (this.#clock.now() + retryInMs > this.#deadline(tick)) return this.#miss(tick.at)
        await sleep(this.#clock, retryInMs, signal).catch(() => undefined)
      }
    }
  }

  async #enqueue(tick: Tick): Promise<void> {
    const given = this.#options.task(tick)
    for (const field of OWN_FIELDS) {
      if (!Object.hasOwn(given, field)) continue
      const message = `The task of the recurrence "${this.name}" has a field "${field}", which is the recurrence's own.`
      throw new ForebayError('INVALID_TASK', message, { path: field })
    }
    const id = `recurring:${this.name}@${new Date(tick.at).toISOString()}`
    const input = { ...given, id, dedupId: id, dedupWindowMs: this.#windowOf(tick) }
    const status = await this.#queue.enqueue(input as InputOf<Types>).then(
      (enqueued) => enqueued.status,
      (thrown: unknown) => {
        // Another process, perhaps of another version, made a different task of this tick, and was first.
        if (thrown instanceof ForebayError && thrown.code === 'DEDUP_CONFLICT') return 'duplicate' as const
        throw thrown
      },
    )
    this.#events.emit('fired', { tick, id, status })
  }

  #windowOf({ at }: Tick): number {
    if (this.#options.missed !== 'once') return this.#rememberedMs
    const until = (this.#times.next(at) ?? at) + this.#rememberedMs
    return Math.max(until - this.#clock.now(), this.#rememberedMs)
  }

  /** Until when a tick may be tried: with `once` until the next one takes its place. */
  #deadline({ at }: Tick): number {
    const late = at + this.#lateMs
    return this.#options.missed === 'once' ? Math.max(late, this.#times.next(at) ?? late) : late
  }

  #miss(at: number): void {
    this.#last = Math.max(this.#last, at)
    this.#events.emit('missed', { name: this.name, at })
  }

  /** @throws ForebayError UNSUPPORTED. */
  #checkMemory(now: number): void {
    const { backend, capabilities } = this.#queue.service
    const needed = this.#options.missed === 'once' ? this.#longestGap(now) + this.#rememberedMs : LEAST_REMEMBERED_MS
    if (capabilities.maxDedupWindowMs >= needed) return
    const message = `The ${backend} backend remembers ids for ${capabilities.maxDedupWindowMs} ms, and the recurrence "${this.name}" needs ${needed} ms to fire once; sqlite, postgres and redis can.`
    throw new ForebayError('UNSUPPORTED', message, { path: 'missed' })
  }

  /** Between two of the next ticks; the pattern of a week or of a year shows within so many. */
  #longestGap(now: number): number {
    let longest = 0
    let at = this.#times.next(now)
    for (let n = 0; n < GAPS_LOOKED_AT && at !== undefined; n++) {
      const next = this.#times.next(at)
      if (next !== undefined) longest = Math.max(longest, next - at)
      at = next
    }
    return longest
  }
}

const GAPS_LOOKED_AT = 50
const OWN_FIELDS: readonly OwnFields[] = ['id', 'dedupId', 'dedupWindowMs']

/** The statuses of what may be otherwise in a moment: full, away, no space. */
const MAY_PASS: ReadonlySet<number> = new Set([429, 503, 507])

function checkOptions({ name, missed, since }: Pick<RecurringOptions, 'name' | 'missed' | 'since'>): void {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
    const message = `"${String(name)}" is no name of a recurrence: letters, digits, ".", "_" and "-", at most 64.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'name' })
  }
  if (missed !== undefined && missed !== 'skip' && missed !== 'once') {
    throw new ForebayError('INVALID_OPTION', `missed is "skip" or "once", not ${String(missed)}.`, { path: 'missed' })
  }
  if (Number.isNaN(sinceOf(since))) {
    throw new ForebayError('INVALID_OPTION', 'since is a Date or epoch milliseconds.', { path: 'since' })
  }
}

function sinceOf(since: Date | number | undefined): number {
  return since === undefined ? Number.NEGATIVE_INFINITY : Number(since)
}
