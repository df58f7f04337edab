/**
 * Fetches ready tasks for the claims that wait. The server gives out no more than was asked for: each consumer on the
 * channel is opened for so many messages as claims wish for, and cancelled with the last of them.
 *
 *     #consumers   those that may still bring something: their `left` together is what the server still owes us
 *     #spares      arrived, with nobody yet who wants them
 *     #line        claims that wait; one in #gathering has just asked, and is served when all that was ready has arrived
 *
 * What was asked for and not used (a claim was aborted, or took what had come) is kept for the next claim. If none comes
 * within a quarter of a second it goes back, as a copy, because a message that is merely given back has its count raised.
 */

import type { AsyncMessage, Channel } from 'rabbitmq-client'
import { type CancelTimer, type Clock, sleep } from '../../clock.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import { countReady, nextTurn, within } from './answer.ts'
import { type Consumer, copyOf, type Delivery, deliveryOf, finish } from './delivery.ts'
import type { Publisher } from './publisher.ts'
import { fromRabbitmq } from './rabbitmq-errors.ts'
import { Session } from './session.ts'
import type { Topology } from './topology.ts'
import type { Wire } from './wire.ts'

/** AMQP counts them in two bytes. */
const MOST_PREFETCHED = 65_535

/** So long is kept what nobody wants. */
const KEEP_MS = 250

/** After a failure it tries again so much later. */
const AGAIN_MS = 500

export interface IntakeOptions {
  readonly wire: Wire
  readonly topology: Topology
  readonly publisher: Publisher
  readonly clock: Clock
  /** Makes consumers of different channels and processes different. */
  readonly name: string
  readonly grant: (delivery: Delivery, leaseMs: number) => Claim
  /** All deliveries of this channel are somebody else's now. */
  readonly onLost: (channel: Channel) => void
  /** Puts what somebody else sent to the dead letters; answers why it could not. */
  readonly bury: (delivery: Delivery) => Promise<unknown>
  readonly stamp: () => string
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #session: Session
  readonly #line: ClaimLine
  readonly #gathering = new Set<Waiter>()
  readonly #consumers = new Set<Consumer>()
  readonly #asking = new Set<Promise<void>>()
  #spares: Delivery[] = []
  #opened = 0
  #isServing = false
  #isEnded = false
  #cancelGiveBack: CancelTimer | undefined

  constructor(options: IntakeOptions) {
    const { wire, clock } = options
    this.#options = options
    this.#session = new Session(wire, clock, (channel) => this.#prepare(channel))
    this.#line = new ClaimLine(clock)
  }

  /** How many messages are here that nobody was granted. */
  get spare(): number {
    return this.#spares.length
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#line.join(request, this, (waiter) => this.#ask([waiter])).finally(() => this.#watch())
  }

  /** Resolves when the server has received all that was said on the channel before. */
  async sync(channel: Channel): Promise<void> {
    await within(this.#options.clock, channel.confirmSelect())
  }

  /** Ends the waits. */
  endWaits(): void {
    this.#isEnded = true
    this.#cancelGiveBack?.()
    this.#line.end(this)
  }

  /** Lets go of the channel: what was granted is given out again. */
  async end(): Promise<void> {
    await Promise.all(this.#asking)
    if (this.#consumers.size > 0 || this.#spares.length > 0) await this.#giveBack().catch(() => undefined)
    await this.#session.close()
  }

  async #prepare(channel: Channel): Promise<void> {
    const { topology } = this.#options
    channel.once('close', () => this.#lost(channel))
    // Somebody deleted the queue: a new channel declares it anew.
    channel.once('basic.cancel', () => this.#session.drop(channel))
    await topology.declare(channel)
  }

  #ask(waiters: readonly Waiter[]): void {
    const asking = this.#askFor(waiters).finally(() => this.#asking.delete(asking))
    this.#asking.add(asking)
  }

  /** Fetches what is ready for these claims, and answers those that can be. */
  async #askFor(waiters: readonly Waiter[]): Promise<void> {
    for (const waiter of waiters) {
      waiter.begin()
      this.#gathering.add(waiter)
    }
    try {
      const channel = await this.#session.get()
      if (await this.#mayBring(channel, waiters)) {
        this.#provide(channel)
        await this.#arrived(channel)
      }
    } catch (thrown) {
      const error = fromRabbitmq(thrown, this.#options.wire.place, 'Nothing was granted.')
      for (const waiter of waiters) {
        this.#gathering.delete(waiter)
        waiter.fail(error)
      }
      return
    }
    for (const waiter of waiters) this.#gathering.delete(waiter)
    this.#serve()
    for (const waiter of waiters) waiter.finish([])
  }

  /** A claim that does not wait needs no consumer at an empty queue: it asks for one task, which is exact. */
  async #mayBring(channel: Channel, waiters: readonly Waiter[]): Promise<boolean> {
    if (this.#spares.length > 0 || waiters.some(({ request }) => request.waitMs > 0)) return true
    const { topology, clock } = this.#options
    const got = await within(clock, channel.basicGet({ queue: topology.main }))
    if (got) this.#receive(channel, { tag: '', left: 1, closed: Promise.resolve() }, { consumerTag: '', ...got })
    return got !== undefined || this.#consumers.size > 0
  }

  /** Asks the server for what the waiting claims wish for beyond what is here or owed. */
  #provide(channel: Channel): void {
    let wished = -this.#spares.length
    for (const { request } of this.#line) wished += request.max
    for (const { left } of this.#consumers) wished -= left
    if (wished > 0) this.#consume(channel, Math.min(wished, MOST_PREFETCHED))
  }

  #consume(channel: Channel, left: number): void {
    const consumer: Consumer = { tag: `${this.#options.name}-${++this.#opened}`, left, closed: undefined }
    this.#consumers.add(consumer)
    const { main: queue } = this.#options.topology
    // Asked without a break between, so that no other consumer gets this one's number.
    const asked = [
      channel.basicQos({ prefetchCount: left }),
      channel.basicConsume({ queue, consumerTag: consumer.tag }, (message) =>
        this.#receive(channel, consumer, message),
      ),
    ]
    Promise.all(asked).catch(() => this.#session.drop(channel))
  }

  /** Resolves when what was ready at the server has arrived. */
  async #arrived(channel: Channel): Promise<void> {
    const { topology, clock } = this.#options
    // The queue answers after it has given out, and the channel answers after it has sent that on.
    await countReady(channel, topology.main, clock)
    await this.sync(channel)
    await nextTurn()
  }

  #receive(channel: Channel, consumer: Consumer, message: AsyncMessage): void {
    if (!channel.active) return
    consumer.left--
    if (consumer.left <= 0 && !consumer.closed) this.#close(channel, consumer)
    const { clock, stamp } = this.#options
    const at = { now: clock.now(), monotonic: clock.monotonic(), stamp }
    const delivery = deliveryOf(message, { channel, consumer }, at)
    if (delivery.kind !== 'task') {
      void this.#putRight(delivery)
      return
    }
    this.#spares.push(delivery)
    this.#serveSoon()
  }

  /** Messages arrive in bunches. */
  #serveSoon(): void {
    if (this.#isServing) return
    this.#isServing = true
    setImmediate(() => {
      this.#isServing = false
      this.#serve()
      this.#watch()
    })
  }

  #serve(): void {
    for (const waiter of this.#line) {
      if (this.#spares.length === 0 || this.#gathering.has(waiter)) return
      const { max, leaseMs } = waiter.request
      waiter.finish(this.#spares.splice(0, max).map((delivery) => this.#options.grant(delivery, leaseMs)))
    }
  }

  #close(channel: Channel, consumer: Consumer): void {
    this.#consumers.delete(consumer)
    const done = () => undefined
    consumer.closed ??= channel.basicCancel(consumer.tag).then(done, done)
  }

  /** Sees to it that what nobody wants goes back. */
  #watch(): void {
    const isIdle = this.#line.size === 0 && (this.#spares.length > 0 || this.#consumers.size > 0)
    if (!isIdle || this.#isEnded) {
      this.#cancelGiveBack?.()
      this.#cancelGiveBack = undefined
      return
    }
    const giveBack = () => {
      this.#cancelGiveBack = undefined
      if (this.#line.size === 0) this.#giveBack().catch(() => undefined)
    }
    this.#cancelGiveBack ??= this.#options.clock.after(KEEP_MS, giveBack, { background: true })
  }

  async #giveBack(): Promise<void> {
    const channel = await this.#session.get()
    const consumers = [...this.#consumers]
    for (const consumer of consumers) this.#close(channel, consumer)
    await Promise.all(consumers.map(({ closed }) => closed))
    await nextTurn()
    if (this.#line.size > 0) {
      // Somebody came meanwhile, and counted on what was called off.
      this.#provide(channel)
      return
    }
    const spares = this.#spares.splice(0)
    const failed = await this.#publishAgain(spares)
    await Promise.all(spares.map((spare, index) => finish(spare, failed[index] ? 'requeue' : 'ack')))
  }

  /** Copies take their places, at the end of the queue. */
  async #publishAgain(deliveries: readonly Delivery[]): Promise<readonly unknown[]> {
    const { publisher, topology } = this.#options
    const copies = deliveries.map((delivery) => copyOf(delivery, topology.main, delivery.attempts))
    return publisher.publish(copies).catch((thrown: unknown) => copies.map(() => thrown))
  }

  /**
   * What can't be granted as it is. A foreign message is buried. Where the server does not count how often it gave a message
   * out, a copy does, so that a task that kills its process dies in the end.
   */
  async #putRight(delivery: Delivery): Promise<void> {
    const { bury, clock } = this.#options
    const [failed] = delivery.kind === 'foreign' ? [await bury(delivery)] : await this.#publishAgain([delivery])
    if (failed) await sleep(clock, AGAIN_MS)
    await finish(delivery, failed ? 'requeue' : 'ack')
    // What was brought was not for those who wait.
    if (this.#line.size === 0 || this.#isEnded) return
    this.#session.get().then(
      (channel) => this.#provide(channel),
      () => undefined, // The channel's end asks for all who wait.
    )
  }

  #lost(channel: Channel): void {
    this.#spares = []
    this.#consumers.clear()
    this.#options.onLost(channel)
    const parked = [...this.#line].filter((waiter) => !this.#gathering.has(waiter))
    if (parked.length > 0 && !this.#isEnded) this.#ask(parked)
  }
}
