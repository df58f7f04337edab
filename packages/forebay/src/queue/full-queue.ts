/**
 * What happens at the bound of a queue: who is refused, when to come again, and who was promised a place. It keeps the
 * waiting line and the drain rate, which it measures from the backend's own totals, so that a process that only produces
 * knows it too.
 */

import { createHash } from 'node:crypto'
import type { Bounds, Depth, NewTask, PushResult, QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { DrainMeter } from '../flow/drain-meter.ts'
import { WaitingLine } from '../flow/waiting-line.ts'
import type { TaskInput } from '../task.ts'

/** The drain rate is measured this often while tasks are being refused. */
const SAMPLE_EVERY_MS = 500

/** A guess for when nothing is known: wrong for a second at most, since then two samples are there. */
const GUESSED_DEPTH = 1_000
const GUESSED_DRAIN_S = 10

interface Identity {
  readonly text: string
  /** Whether it belongs to this task alone. */
  readonly unique: boolean
}

export class FullQueue {
  readonly #service: QueueService
  readonly #bounds: Bounds
  readonly #clock: Clock
  readonly #expectedPerSecond: number
  readonly #line = new WaitingLine()
  readonly #drain = new DrainMeter()
  #sampling = false

  /** @param expectedPerSecond The drain rate until it is measured. Default: what empties the whole queue in ten seconds. */
  constructor(service: QueueService, bounds: Bounds, clock: Clock, expectedPerSecond: number | undefined) {
    this.#service = service
    this.#bounds = bounds
    this.#clock = clock
    this.#expectedPerSecond = expectedPerSecond ?? (bounds.maxDepth ?? GUESSED_DEPTH) / GUESSED_DRAIN_S
  }

  get isBounded(): boolean {
    return this.#bounds.maxDepth !== undefined || this.#bounds.maxBytes !== undefined
  }

  /** The bounds that hold for this task now: whole for one that was promised a place, less the promised places for others. */
  boundsFor(input: TaskInput, task: NewTask): Bounds | undefined {
    if (!this.isBounded) return undefined
    const { maxDepth } = this.#bounds
    if (maxDepth === undefined || this.#line.length === 0) return this.#bounds
    const now = this.#clock.monotonic()
    if (this.#line.redeem(now, identify(input, task).text)) return this.#bounds
    const reserved = this.#line.reserved(now, maxDepth)
    return reserved === 0 ? this.#bounds : { ...this.#bounds, maxDepth: maxDepth - reserved }
  }

  /** The refusal, with the time at which a place will be free for this task. */
  refuse(input: TaskInput, task: NewTask, full: Extract<PushResult, { status: 'full' }>, queue: string): ForebayError {
    const { text, unique } = identify(input, task)
    this.#sample()
    const perSecond = this.#drain.perSecond || this.#expectedPerSecond
    const retryAfterMs = this.#line.promise(this.#clock.monotonic(), text, unique, perSecond)
    const bound = full.bound === 'depth' ? `${this.#bounds.maxDepth} tasks` : `${this.#bounds.maxBytes} bytes`
    const message = `Queue "${queue}" is full at ${bound}. The task was not stored; there will be room in ${retryAfterMs / 1_000} s.`
    return new ForebayError('QUEUE_FULL', message, { retryAfterMs })
  }

  #sample(): void {
    if (this.#sampling || this.#drain.ageMs(this.#clock.monotonic()) < SAMPLE_EVERY_MS) return
    this.#sampling = true
    this.#service
      .depth()
      .then(
        (depth) => {
          const finished = finishedOf(depth)
          if (finished !== undefined) this.#drain.sample(this.#clock.monotonic(), finished)
        },
        () => undefined, // The enqueue that follows meets the same fault and tells it.
      )
      .finally(() => {
        this.#sampling = false
      })
  }
}

function finishedOf({ totals, dead }: Depth): number | undefined {
  return totals && totals.completed + totals.expired + totals.dropped + dead
}

/** A task that comes again is known by the id that its producer gave it, or else by its content. */
function identify(input: TaskInput, task: NewTask): Identity {
  if (input.id !== undefined) return { text: `id:${input.id}`, unique: true }
  if (input.dedupId !== undefined) return { text: `dedup:${input.dedupId}`, unique: true }
  const hash = createHash('sha1').update(`${task.type}\n${task.key ?? ''}\n${task.payload}`)
  return { text: hash.digest('base64'), unique: false }
}
