/**
 * The queues on the server that one Forebay queue is made of, and their arguments:
 *
 *     PREFIX:NAME            tasks that are ready
 *     PREFIX:NAME:due        tasks whose delay is over, or will be within a second: the clerk passes them on (see due-clerk.ts)
 *     PREFIX:NAME:delay:K    tasks that wait 4^K seconds; then the server moves them to `due`. Made when first needed
 *     PREFIX:NAME:dead       dead letters
 *
 * A Forebay queue's name has no colon, so these belong to no other one.
 */

import type { Channel } from 'rabbitmq-client'
import type { QueueType } from './rabbitmq-url.ts'

type Declared = Parameters<Channel['queueDeclare']>[0]

/** The shortest delay that the server keeps; shorter ones are kept by the clerk. */
export const LEAST_STEP_MS = 1_000
/** 4^8 s = 18.2 h; longer delays pass through the last one several times. */
const LAST_STEP = 8

/** The server drops what was given out too often, from 4.0 on after 20 times; how often a task is tried is decided above. */
const ANY_NUMBER_OF_TIMES = 2 ** 31 - 1

/** The priorities of a classic queue; more would cost the server a queue within the queue each. */
export const PRIORITIES = { least: -5, greatest: 4 } as const

export class Topology {
  readonly main: string
  readonly due: string
  readonly dead: string
  /** Held by whoever walks the dead letters. */
  readonly deadLock: string
  /** All delay queues that can be there, the shortest first. */
  readonly delays: readonly string[]
  readonly #type: QueueType

  constructor(prefix: string, name: string, type: QueueType) {
    this.main = `${prefix}:${name}`
    this.due = `${this.main}:due`
    this.dead = `${this.main}:dead`
    this.deadLock = `${this.main}:dead-lock`
    this.delays = Array.from({ length: LAST_STEP + 1 }, (_, step) => `${this.main}:delay:${step}`)
    this.#type = type
  }

  /** The queue in which a delay of `delayMs` begins, and what is left of the delay when the server moves it on. */
  delayed(delayMs: number): { readonly queue: string; readonly leftMs: number } {
    if (delayMs < LEAST_STEP_MS) return { queue: this.due, leftMs: delayMs }
    const step = Math.min(LAST_STEP, Math.floor(Math.log(delayMs / LEAST_STEP_MS) / Math.log(4) + 1e-9))
    return { queue: this.delays[step] as string, leftMs: Math.max(0, delayMs - stepMs(step)) }
  }

  /** What is always there. Harmless if it is. */
  async declare(channel: Channel): Promise<void> {
    const priority = this.#type === 'classic' ? { 'x-max-priority': PRIORITIES.greatest - PRIORITIES.least } : {}
    await channel.queueDeclare(this.#queue(this.main, priority))
    await channel.queueDeclare(this.#queue(this.due))
    await channel.queueDeclare(this.#queue(this.dead))
  }

  /**
   * A delay queue, and all shorter ones: whoever counts them stops at the first that is missing.
   * The server moves what is over into `due` and forgets it only when that is stored there.
   */
  async declareDelay(channel: Channel, queue: string): Promise<void> {
    const last = this.delays.indexOf(queue)
    const safely = { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' }
    for (let step = 0; step <= last; step++) {
      const more = {
        'x-message-ttl': stepMs(step),
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': this.due,
        ...(this.#type === 'quorum' && safely),
      }
      await channel.queueDeclare(this.#queue(this.delays[step] as string, more))
    }
  }

  #queue(queue: string, more: Readonly<Record<string, unknown>> = {}): Declared {
    const type = this.#type === 'quorum' ? { 'x-delivery-limit': ANY_NUMBER_OF_TIMES } : {}
    return { queue, durable: true, arguments: { 'x-queue-type': this.#type, ...type, ...more } }
  }
}

function stepMs(step: number): number {
  return LEAST_STEP_MS * 4 ** step
}
