/**
 * One connection to the server. The client connects again by itself after a loss; what this adds is a first connection that
 * fails with a sentence, channels that fail instead of hanging, and whether the server takes messages at all.
 */

import type { Channel, Connection, ConnectionOptions } from 'rabbitmq-client'
import type { Clock } from '../../clock.ts'
import { ForebayError, messageOf } from '../../errors.ts'
import { Emitter } from '../../events.ts'
import { within } from './answer.ts'
import { fromRabbitmq } from './rabbitmq-errors.ts'

/** After a loss: the server is tried again so often, each time after a random share of a span that doubles up to the longest. */
const RETRY_MS = { retryLow: 100, retryHigh: 2_000 }

const CONNECT_MS = 5_000
/** A connection that can't be closed in good order within this is cut. */
const CLOSE_MS = 2_000

/** What goes on over a connection one after another, by its name. */
const underWay = new WeakMap<Connection, Map<string, Promise<unknown>>>()

export interface WireEvents {
  blocked: { readonly reason: string }
}

export class Wire {
  readonly events = new Emitter<WireEvents>()
  readonly place: string
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #isOurs: boolean
  #blocked: string | undefined

  constructor(connection: Connection, place: string, clock: Clock, isOurs: boolean) {
    this.#connection = connection
    this.place = place
    this.#clock = clock
    this.#isOurs = isOurs
    connection.on('error', this.#onError)
    connection.on('connection', this.#onUnblocked)
    connection.on('connection.blocked', this.#onBlocked)
    connection.on('connection.unblocked', this.#onUnblocked)
  }

  /** @throws ForebayError BACKEND_UNAVAILABLE, MISSING_PACKAGE */
  static async connect(url: string, place: string, name: string, clock: Clock): Promise<Wire> {
    const options: ConnectionOptions = {
      url,
      connectionName: name,
      noDelay: true,
      acquireTimeout: CONNECT_MS,
      connectionTimeout: CONNECT_MS,
      ...RETRY_MS,
    }
    const connection = await makeConnection(options, place)
    const wire = new Wire(connection, place, clock, true)
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once('connection', resolve)
        connection.once('error', reject)
      })
      return wire
    } catch (thrown) {
      connection.unsafeDestroy()
      throw fromRabbitmq(thrown, place, 'Nothing was opened.')
    }
  }

  /** Why the server takes no messages from this connection now; undefined while it does. */
  get blocked(): string | undefined {
    return this.#blocked
  }

  /**
   * A new channel. While the connection is lost it is waited for, some seconds at most.
   * @throws ForebayError BACKEND_UNAVAILABLE
   */
  async channel(): Promise<Channel> {
    if (this.#blocked !== undefined) throw this.blockedError('Nothing was done.')
    try {
      const channel = await within(this.#clock, this.#connection.acquire({ emitErrorsFromChannel: true }))
      channel.on('error', () => undefined) // Its close follows, and is what counts.
      return channel
    } catch (thrown) {
      throw fromRabbitmq(thrown, this.place, 'Nothing was done.')
    }
  }

  blockedError(kept: string): ForebayError {
    const message = `RabbitMQ at ${this.place} takes no messages for now (${this.#blocked}). ${kept} It goes on by itself.`
    return new ForebayError('BACKEND_UNAVAILABLE', message)
  }

  /** Works of one name go one after another, also those of others who were handed the same connection. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const works = underWay.get(this.#connection) ?? new Map<string, Promise<unknown>>()
    underWay.set(this.#connection, works)
    const done = (works.get(name) ?? Promise.resolve()).then(work)
    works.set(
      name,
      done.catch(() => undefined),
    )
    return done
  }

  /** A connection that was handed in stays open. */
  async close(): Promise<void> {
    if (this.#isOurs) {
      await within(this.#clock, this.#connection.close(), CLOSE_MS).catch(() => this.#connection.unsafeDestroy())
    }
    this.#connection.off('connection', this.#onUnblocked)
    this.#connection.off('connection.blocked', this.#onBlocked)
    this.#connection.off('connection.unblocked', this.#onUnblocked)
    // Of our own nobody else listens, and an error without a listener would end the process.
    if (!this.#isOurs) this.#connection.off('error', this.#onError)
  }

  /** Whoever waits for an answer is told so by its channel; the client connects again by itself. */
  readonly #onError = (): void => {
    this.#blocked = undefined
  }

  readonly #onBlocked = (reason: string): void => {
    this.#blocked = reason
    this.events.emit('blocked', { reason })
  }

  readonly #onUnblocked = (): void => {
    this.#blocked = undefined
  }
}

async function makeConnection(options: ConnectionOptions, place: string): Promise<Connection> {
  const client = await import('rabbitmq-client').catch((cause: unknown) => {
    const message = `The amqp: backend needs a package that is not installed: npm install rabbitmq-client (${messageOf(cause)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause })
  })
  try {
    return new client.Connection(options)
  } catch (thrown) {
    throw new ForebayError('INVALID_URL', `The URL of ${place} can't be used: ${messageOf(thrown)}.`)
  }
}
