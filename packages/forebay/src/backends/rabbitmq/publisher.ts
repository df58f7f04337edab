/**
 * Publishes messages, and knows of each whether the server has stored it: it confirms what is as safe as its queue, and
 * returns what found no queue.
 */

import type { Channel } from 'rabbitmq-client'
import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { ANSWER_MS, nextTurn } from './answer.ts'
import { CONTENT_TYPE, headersOf, type Outgoing } from './message.ts'
import { fromRabbitmq } from './rabbitmq-errors.ts'
import { Session } from './session.ts'
import type { Topology } from './topology.ts'
import type { Wire } from './wire.ts'

const UNKNOWN = 'Whether it was stored is not known.'

/** The properties of AMQP are short. */
const SHORT_BYTES = 255

/** Undefined: stored. */
export type Published = ForebayError | undefined

export class Publisher {
  readonly #wire: Wire
  readonly #topology: Topology
  readonly #clock: Clock
  readonly #session: Session
  /** Delay queues that are known to be there, by this channel. */
  #declared = new Set<string>()
  /** A message was returned: somebody deleted a queue. */
  #isIncomplete = false
  readonly #returned = new Set<string>()
  #sent = 0

  constructor(wire: Wire, topology: Topology, clock: Clock) {
    this.#wire = wire
    this.#topology = topology
    this.#clock = clock
    this.#session = new Session(wire, clock, (channel) => this.#prepare(channel))
  }

  /**
   * Answers each message.
   * @throws ForebayError BACKEND_UNAVAILABLE, INVALID_OPTION: then nothing was sent.
   */
  async publish(messages: readonly Outgoing[]): Promise<Published[]> {
    if (messages.length === 0) return []
    if (this.#wire.blocked !== undefined) throw this.#wire.blockedError('Nothing was stored.')
    const channel = await this.#session.get()
    await this.#provide(channel, messages)
    const results = new Map<number, Published>()
    const keys = messages.map(() => String(++this.#sent))
    const sending = messages.map((message, index) =>
      send(channel, message, keys[index] as string).then(
        () => results.set(index, undefined),
        (thrown) => results.set(index, fromRabbitmq(thrown, this.#wire.place, UNKNOWN)),
      ),
    )
    const cut = await this.#answered(Promise.all(sending))
    if (cut) this.#session.drop(channel)
    // What was returned is confirmed as well, and told of after that.
    await nextTurn()
    return messages.map((message, index) => {
      if (this.#returned.delete(keys[index] as string)) return this.#unroutable(message)
      return results.has(index) ? results.get(index) : cut
    })
  }

  /** Opens the channel, and with it the queues. */
  async open(): Promise<void> {
    await this.#session.get()
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  async #prepare(channel: Channel): Promise<void> {
    this.#returned.clear()
    channel.on('basic.return', ({ correlationId }) => this.#returned.add(correlationId ?? ''))
    await this.#declare(channel)
    await channel.confirmSelect()
  }

  async #declare(channel: Channel): Promise<void> {
    await this.#topology.declare(channel)
    this.#declared = new Set()
    this.#isIncomplete = false
  }

  async #provide(channel: Channel, messages: readonly Outgoing[]): Promise<void> {
    try {
      if (this.#isIncomplete) await this.#declare(channel)
      for (const { queue } of messages) {
        if (this.#declared.has(queue) || !this.#topology.delays.includes(queue)) continue
        await this.#topology.declareDelay(channel, queue)
        this.#declared.add(queue)
      }
    } catch (thrown) {
      throw fromRabbitmq(thrown, this.#wire.place, 'Nothing was stored.')
    }
  }

  /** Waits for the answers, as long as any can come; answers why it waits no longer. */
  async #answered(work: Promise<unknown>): Promise<ForebayError | undefined> {
    let end: (error: ForebayError) => void = () => {}
    const cut = new Promise<ForebayError>((resolve) => {
      end = resolve
    })
    const late = new ForebayError(
      'BACKEND_UNAVAILABLE',
      `RabbitMQ at ${this.#wire.place} confirmed nothing for ${ANSWER_MS / 1_000} s. ${UNKNOWN}`,
    )
    const cancel = this.#clock.after(ANSWER_MS, () => end(late), { background: true })
    const off = this.#wire.events.on('blocked', () => end(this.#wire.blockedError(UNKNOWN)))
    try {
      return await Promise.race([work.then(() => undefined), cut])
    } finally {
      cancel()
      off()
    }
  }

  /** The next publish makes the queue anew. */
  #unroutable({ queue }: Outgoing): ForebayError {
    this.#isIncomplete = true
    const message = `RabbitMQ at ${this.#wire.place} has no queue "${queue}" any more and returned the message. It was not stored.`
    return new ForebayError('BACKEND_UNAVAILABLE', message)
  }
}

function send(channel: Channel, message: Outgoing, correlationId: string): Promise<void> {
  const { queue, body, rank, id } = message
  const envelope = {
    exchange: '',
    routingKey: queue,
    mandatory: true,
    durable: true,
    correlationId,
    contentType: CONTENT_TYPE,
    appId: 'forebay',
    headers: headersOf(message),
    ...(rank !== undefined && { priority: rank }),
    ...(id !== undefined && Buffer.byteLength(id) <= SHORT_BYTES && { messageId: id }),
  }
  return channel.basicPublish(envelope, body)
}
