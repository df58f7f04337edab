/**
 * The clerk of the queue `due`: passes tasks on whose delay is over. What arrives there with more than a second left goes
 * into the next delay queue; less is waited for here, so that a delay ends to the millisecond. Whoever has the queue open
 * is a clerk; a message is with one of them only, and goes to another if it dies.
 *
 * A message is acknowledged when the copy is stored: a crash between the two leaves both.
 */

import type { AsyncMessage, Channel } from 'rabbitmq-client'
import type { CancelTimer, Clock } from '../../clock.ts'
import { GroupCommit } from '../../group-commit.ts'
import { type Outgoing, progressOf } from './message.ts'
import type { Published, Publisher } from './publisher.ts'
import { Session } from './session.ts'
import { LEAST_STEP_MS, type Topology } from './topology.ts'
import type { Wire } from './wire.ts'

/** So many messages wait here at once, at most; the others wait at the server, up to a second longer. */
const MOST_HELD = 1_000

/** After a failure it tries again so much later. */
const AGAIN_MS = 500

export class DueClerk {
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #clock: Clock
  readonly #session: Session
  readonly #moves: GroupCommit<Outgoing, Published>
  readonly #timers = new Map<AsyncMessage, CancelTimer>()
  #held = 0
  #cancelRetry: CancelTimer = () => {}
  #isEnded = false

  constructor(wire: Wire, topology: Topology, publisher: Publisher, clock: Clock) {
    this.#topology = topology
    this.#publisher = publisher
    this.#clock = clock
    this.#session = new Session(wire, clock, (channel) => this.#consume(channel))
    this.#moves = new GroupCommit((messages) => this.#publisher.publish(messages))
  }

  /** How many messages are here now. */
  get held(): number {
    return this.#held
  }

  /** Begins, and goes on until `end`, whatever happens to the connection. */
  async begin(): Promise<void> {
    await this.#session.get()
  }

  /** What is here goes back to the server, for another clerk. */
  async end(): Promise<void> {
    this.#isEnded = true
    this.#cancelRetry()
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    await this.#session.close()
  }

  async #consume(channel: Channel): Promise<void> {
    const again = () => this.#beginLater()
    channel.once('close', () => {
      this.#forget()
      again()
    })
    // Somebody deleted the queue: a new channel declares it anew.
    channel.once('basic.cancel', () => this.#session.drop(channel))
    await this.#topology.declare(channel)
    await channel.basicQos({ prefetchCount: MOST_HELD })
    await channel.basicConsume({ queue: this.#topology.due }, (message) => this.#receive(channel, message))
  }

  /** The server gives out again what was here. */
  #forget(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#held = 0
  }

  #beginLater(): void {
    this.#cancelRetry()
    if (this.#isEnded) return
    const retry = () => {
      this.#session.get().catch(() => this.#beginLater())
    }
    this.#cancelRetry = this.#clock.after(AGAIN_MS, retry, { background: true })
  }

  #receive(channel: Channel, message: AsyncMessage): void {
    if (!channel.active || this.#isEnded) return
    this.#held++
    const { attempts, leftMs } = progressOf(message)
    const more = { attempts, body: message.body, ...(message.priority !== undefined && { rank: message.priority }) }
    if (leftMs >= LEAST_STEP_MS) {
      this.#pass(channel, message, () => ({ ...more, readyAt: 0, ...this.#topology.delayed(leftMs) }))
      return
    }
    const pass = () => {
      this.#timers.delete(message)
      const ready = () => ({ ...more, readyAt: this.#clock.now(), leftMs: 0, queue: this.#topology.main })
      this.#pass(channel, message, ready)
    }
    this.#timers.set(message, this.#clock.after(leftMs, pass, { background: true }))
  }

  async #pass(channel: Channel, message: AsyncMessage, copy: () => Outgoing): Promise<void> {
    const failed = await this.#moves.add(copy()).catch((thrown: unknown) => thrown)
    if (!channel.active || this.#isEnded) return
    if (failed === undefined) {
      this.#held--
      channel.basicAck({ deliveryTag: message.deliveryTag })
      return
    }
    const again = () => {
      this.#timers.delete(message)
      this.#pass(channel, message, copy)
    }
    this.#timers.set(message, this.#clock.after(AGAIN_MS, again, { background: true }))
  }
}
