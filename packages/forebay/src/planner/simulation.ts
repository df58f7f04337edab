/**
 * The simulator: recorded arrivals through the real queue, the real consumers and their real policies, on a virtual clock.
 *
 * What stands in for the world is three things only: the backend is `memory:`, whose answers take no time; the handler waits for the
 * task's service time instead of calling a downstream; and time jumps from one event to the next. All else is the code that
 * runs in production, so that a plan cannot be wrong about what a limit, a retry or an overflow policy does.
 *
 * Several workers are several consumers of one queue, as processes would be: they share its rate and hold parts of it.
 */

import { sleep, VirtualClock } from '../clock.ts'
import type { HandlerContext, HandlerReturn } from '../consumer/handler.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../consumer/options.ts'
import { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { QueueOptions } from '../queue/options.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { type RandomSource, seededRandom } from '../random.ts'
import type { Task, TaskInput } from '../task.ts'

export interface SimulationOptions {
  /** When each task is enqueued, milliseconds from the start, never falling. */
  readonly arrivalsMs: ArrayLike<number>
  /** How long an attempt at each takes, milliseconds; the same for each of its attempts. */
  readonly serviceMs: ArrayLike<number>
  /** So many consumers, each with these options. Default 1. */
  readonly workers?: number
  readonly consumer: Omit<ConsumerOptions, 'clock' | 'random'>
  readonly queue?: Omit<QueueOptions<AnyTaskTypes>, 'clock' | 'random' | 'name'>
  /** What the task of arrival `index` is, beside its type and payload: its key, priority, cost, ... Default: nothing. */
  readonly task?: (index: number) => Partial<TaskInput>
  /** What an attempt comes to after its service time. Default: it completes. */
  readonly outcome?: (task: Task, context: HandlerContext) => HandlerReturn | Promise<HandlerReturn>
  /** Of all that is left to chance. Default 1. */
  readonly seed?: number
  /** Given up when this much virtual time has passed since the last arrival. Default: ten days. */
  readonly patienceMs?: number
  readonly signal?: AbortSignal
  /** Called now and then with the share of the tasks that have ended, 0 to 1. */
  readonly onProgress?: (share: number) => void
}

/** What became of the tasks. Times are milliseconds since the start. */
export interface Simulation {
  readonly arrivalsMs: ArrayLike<number>
  /** When the first attempt at each began; NaN: none did. */
  readonly startsMs: Float64Array
  /** When each was over: completed, dead, expired or dropped. NaN: it was refused; Infinity: it was still there when the run was given up. */
  readonly endsMs: Float64Array
  /** Of all attempts, in their order. */
  readonly attemptsMs: readonly number[]
  readonly refused: number
  readonly completed: number
  readonly dead: number
  /** Expired before they could start, or dropped for others by the overflow policy. */
  readonly lost: number
  /** The most attempts that ran at once. */
  readonly peakRunning: number
  /** When the last task was over. */
  readonly durationMs: number
}

const TEN_DAYS_MS = 864_000_000

/** Progress is told this often: each so many ends of tasks. */
const TELL_EVERY = 1_000

/** @throws ForebayError INVALID_OPTION, UNSUPPORTED, as the queue and the consumer do; what `signal` aborts with. */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  return new Run(options).result()
}

class Run {
  readonly #options: SimulationOptions
  readonly #clock = new VirtualClock()
  readonly #starts: Float64Array
  readonly #ends: Float64Array
  readonly #attempts: number[] = []
  readonly #counts = { refused: 0, completed: 0, dead: 0, lost: 0 }
  #ended = 0
  #running = 0
  #peakRunning = 0
  #lastEndMs = 0
  #failure: unknown

  constructor(options: SimulationOptions) {
    const { length } = options.arrivalsMs
    this.#options = options
    this.#starts = new Float64Array(length).fill(Number.NaN)
    this.#ends = new Float64Array(length).fill(Number.POSITIVE_INFINITY)
  }

  async result(): Promise<Simulation> {
    const { arrivalsMs, signal, workers = 1, seed = 1, queue: queueOptions } = this.#options
    const random = seededRandom(seed)
    const queue = await LoadLevelingQueue.open('memory:', { ...queueOptions, clock: this.#clock, random })
    const consumers = Array.from({ length: workers }, () => this.#consumer(queue, random))
    queue.on('dropped', ({ id }) => this.#end(Number(id), 'lost'))
    await Promise.all(consumers.map((consumer) => consumer.start()))
    this.#arrive(queue, 0)
    await this.#clock.run(() => this.#isOver)
    await this.#untilDone(Promise.all(consumers.map((consumer) => consumer.stop({ graceMs: 0 }))))
    await queue.close()
    signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    return {
      arrivalsMs,
      startsMs: this.#starts,
      endsMs: this.#ends,
      attemptsMs: this.#attempts,
      ...this.#counts,
      peakRunning: this.#peakRunning,
      durationMs: this.#lastEndMs,
    }
  }

  get #isOver(): boolean {
    const { arrivalsMs, patienceMs = TEN_DAYS_MS, signal } = this.#options
    if (this.#ended === arrivalsMs.length || this.#failure !== undefined || signal?.aborted) return true
    return this.#clock.monotonic() > (arrivalsMs[arrivalsMs.length - 1] ?? 0) + patienceMs
  }

  /** Lets time pass until it has settled: what a stop waits for may need time. */
  async #untilDone(work: Promise<unknown>): Promise<void> {
    let isDone = false
    const settled = work.finally(() => {
      isDone = true
    })
    await this.#clock.run(() => isDone)
    await settled
  }

  #consumer(queue: LoadLevelingQueue, random: RandomSource): LeveledConsumer {
    const handler = (task: Task, context: HandlerContext) => this.#attempt(task, context)
    const consumer = new LeveledConsumer(queue, handler, { ...this.#options.consumer, random })
    consumer.on('completed', ({ task }) => this.#end(Number(task.id), 'completed'))
    consumer.on('dead', ({ task }) => this.#end(Number(task.id), 'dead'))
    consumer.on('expired', ({ task }) => this.#end(Number(task.id), 'lost'))
    return consumer
  }

  async #attempt(task: Task, context: HandlerContext): Promise<HandlerReturn> {
    const { serviceMs, outcome } = this.#options
    const index = Number(task.id)
    const now = this.#clock.monotonic()
    if (Number.isNaN(this.#starts[index])) this.#starts[index] = now
    this.#attempts.push(now)
    this.#peakRunning = Math.max(this.#peakRunning, ++this.#running)
    try {
      await sleep(this.#clock, serviceMs[index] as number, context.signal)
      return await outcome?.(task, context)
    } finally {
      this.#running--
    }
  }

  /** Enqueues what is due, from arrival `first` on, and comes back when the next one is. */
  #arrive(queue: LoadLevelingQueue, first: number): void {
    const { arrivalsMs } = this.#options
    let next = first
    for (; (arrivalsMs[next] as number) <= this.#clock.monotonic(); next++) void this.#enqueue(queue, next)
    if (next < arrivalsMs.length) {
      this.#clock.after((arrivalsMs[next] as number) - this.#clock.monotonic(), () => this.#arrive(queue, next))
    }
  }

  async #enqueue(queue: LoadLevelingQueue, index: number): Promise<void> {
    try {
      await queue.enqueue({ type: 'task', payload: index, ...this.#options.task?.(index), id: String(index) })
    } catch (thrown) {
      // A refusal at the door is a result; anything else is a mistake in the options.
      if (thrown instanceof ForebayError && thrown.status === 429) this.#end(index, 'refused')
      else this.#failure ??= thrown
    }
  }

  #end(index: number, how: 'refused' | 'completed' | 'dead' | 'lost'): void {
    this.#counts[how]++
    this.#ended++
    const now = this.#clock.monotonic()
    this.#ends[index] = how === 'refused' ? Number.NaN : now
    this.#lastEndMs = Math.max(this.#lastEndMs, now)
    const { onProgress, arrivalsMs } = this.#options
    if (onProgress && this.#ended % TELL_EVERY === 0) onProgress(this.#ended / arrivalsMs.length)
  }
}
