/**
 * Receives. A claim that waits is a long poll at SQS, and answered as soon as one message is there. A poll can't be called
 * back: when its claim ends early (aborted, its time over), it goes on, and what it brings is for the next claim; if there is
 * none within a moment, it is given back. So an aborted claim ends at once and no grant is lost.
 */

import { type Clock, sleep } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import type { Delivery } from './delivery.ts'
import { secondsOf } from './message.ts'
import { codeOf, fromSqs } from './sqs-errors.ts'
import { RECEIVED_AT_ONCE, type SqsMessage, type SqsQueue } from './sqs-queue.ts'

export interface IntakeOptions {
  readonly main: SqsQueue
  readonly clock: Clock
  /** Reads messages: what is not due yet or none of ours is seen to and left out. */
  readonly read: (messages: readonly SqsMessage[], hiddenMs: number) => Promise<Delivery[]>
  readonly grant: (deliveries: readonly Delivery[], leaseMs: number) => Promise<Claim[]>
  readonly giveBack: (deliveries: readonly Delivery[]) => Promise<void>
}

/** So many long polls at once, whatever number of claims wait. */
const POLLS = 8
/** So many short ones, for a claim that wants more than ten. */
const BURST = 10
/** So long it is kept for a claim that may come. */
const SPARE_MS = 500
/** SQS has given out all that it lets be in flight: it has room again when some of it has ended. */
const OVER_LIMIT_MS = 1_000

export class Intake {
  readonly #options: IntakeOptions
  readonly #line: ClaimLine
  readonly #busy = new Set<Waiter>()
  readonly #ending = new AbortController()
  readonly #acting = new Set<Promise<unknown>>()
  #spare: Delivery[] = []
  #polls = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#line = new ClaimLine(options.clock)
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    const { waitMs, signal } = request
    if (waitMs <= 0 || signal?.aborted) return this.#claimNow(request)
    return this.#line.join(request, this, () => this.#serve())
  }

  /** Ends the waits and the polls. What SQS gave out at this very moment it gives out again when its lease is over. */
  async end(): Promise<void> {
    this.#line.end(this)
    this.#ending.abort()
    while (this.#acting.size > 0) await Promise.allSettled(this.#acting)
    await this.#options.giveBack(this.#spare.splice(0))
  }

  async #claimNow({ max, leaseMs }: ClaimRequest): Promise<Claim[]> {
    const spare = this.#spare.splice(0, max)
    const found = spare.length < max ? await this.#burst(max - spare.length, leaseMs) : []
    // An old poll may have brought something meanwhile.
    const later = this.#spare.splice(0, max - spare.length - found.length)
    return this.#options.grant([...spare, ...found, ...later], leaseMs)
  }

  /** Asks without waiting until there are enough, or no more. */
  async #burst(count: number, leaseMs: number): Promise<Delivery[]> {
    const found: Delivery[] = []
    for (let left = count; left > 0; left = count - found.length) {
      // An empty answer costs as much as any: only behind a full one more are asked for at once.
      const requests = found.length === 0 ? 1 : Math.min(BURST, Math.ceil(left / RECEIVED_AT_ONCE))
      const asks = Array.from({ length: requests }, (_, at) => Math.min(RECEIVED_AT_ONCE, left - at * RECEIVED_AT_ONCE))
      const answers = await Promise.allSettled(asks.map((max) => this.#receive(max, leaseMs, 0)))
      const read = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      found.push(...read.flatMap(({ deliveries }) => deliveries))
      const failed = answers.find((answer) => answer.status === 'rejected')
      if (failed && found.length === 0) throw failed.reason
      if (failed || read.some(({ received }) => received === 0)) break
    }
    return found
  }

  async #receive(max: number, leaseMs: number, waitSeconds: number, signal?: AbortSignal) {
    const { main, read } = this.#options
    let messages: SqsMessage[]
    try {
      messages = await main.receive(max, secondsOf(leaseMs), waitSeconds, signal)
    } catch (thrown) {
      if (codeOf(thrown).includes('OverLimit') && waitSeconds === 0) return { received: 0, deliveries: [] }
      throw thrown instanceof ForebayError ? thrown : fromSqs(thrown, 'what was given out comes again.')
    }
    return { received: messages.length, deliveries: await read(messages, secondsOf(leaseMs) * 1_000) }
  }

  /** Hands out what there is, and polls for those who wait for more. */
  #serve(): void {
    for (const waiter of this.#line) {
      if (this.#spare.length === 0) break
      if (!this.#busy.has(waiter)) this.#hand(waiter, this.#spare.splice(0, waiter.request.max))
    }
    for (const waiter of this.#line) {
      if (this.#polls >= Math.min(this.#line.size - this.#busy.size, POLLS)) break
      if (!this.#busy.has(waiter)) this.#track(this.#poll(waiter.request))
    }
  }

  #hand(waiter: Waiter, deliveries: readonly Delivery[]): void {
    this.#busy.add(waiter)
    waiter.begin()
    const granting = this.#options.grant(deliveries, waiter.request.leaseMs).then(
      (claims) => waiter.finish(claims),
      (thrown) => waiter.fail(thrown),
    )
    const granted = granting.finally(() => {
      this.#busy.delete(waiter)
      // Nothing of it could be granted: it waits on.
      if (!this.#ending.signal.aborted) this.#serve()
    })
    this.#track(granted)
  }

  async #poll({ max, leaseMs, waitMs }: ClaimRequest): Promise<void> {
    const { signal } = this.#ending
    this.#polls++
    try {
      const { received, deliveries } = await this.#receive(max, leaseMs, Math.max(1, secondsOf(waitMs)), signal)
      const more = received >= RECEIVED_AT_ONCE && max > received ? await this.#burst(max - received, leaseMs) : []
      this.#keep([...deliveries, ...more])
    } catch (thrown) {
      if (!signal.aborted) await this.#trouble(thrown)
    } finally {
      this.#polls--
    }
    if (!signal.aborted) this.#serve()
  }

  #keep(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    this.#spare.push(...deliveries)
    const expire = () => {
      const left = deliveries.filter((delivery) => this.#spare.includes(delivery))
      this.#spare = this.#spare.filter((delivery) => !left.includes(delivery))
      if (left.length > 0) this.#track(this.#options.giveBack(left))
    }
    this.#options.clock.after(SPARE_MS, expire, { background: true })
  }

  async #trouble(thrown: unknown): Promise<void> {
    const { clock } = this.#options
    const cause = thrown instanceof ForebayError ? thrown.cause : thrown
    if (codeOf(cause).includes('OverLimit')) {
      await sleep(clock, OVER_LIMIT_MS, this.#ending.signal).catch(() => {})
      return
    }
    for (const waiter of this.#line) {
      if (this.#busy.has(waiter)) continue
      waiter.fail(thrown)
      break
    }
  }

  #track(acting: Promise<unknown>): void {
    this.#acting.add(acting)
    void acting.finally(() => this.#acting.delete(acting))
  }
}
