/**
 * Questions to a NATS server and their answers. All answers come to one inbox. A question that is not answered in its time,
 * or whose connection is lost, rejects: whether it was heard is then not known. While there is no connection nothing is sent,
 * so that nothing piles up in the client.
 */

import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import type { CancelTimer, Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { NobodyListens } from './nats-errors.ts'
import type { NatsPackage } from './nats-package.ts'

interface Question {
  readonly subject: string
  readonly until: number
  readonly answer: (message: Msg) => void
  readonly fail: (error: Error) => void
}

/** What a call for messages is told. */
export interface Listener {
  onMessage(message: Msg): void
  /** The connection was lost: nothing more will come. */
  onLost(error: ForebayError): void
}

export type Headers = Readonly<Record<string, string>>

export class RequestDesk {
  readonly #connection: NatsConnection
  readonly #package: NatsPackage
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #inbox: string
  readonly #subscription: Subscription
  /** By token, in the order of their deadlines. */
  readonly #questions = new Map<string, Question>()
  readonly #calls = new Map<string, Pick<Listener, 'onLost'> & { end(): void }>()
  readonly #onReconnect = new Set<() => void>()
  #tokens = 0
  #connected = true
  #closed = false
  #cancelTimer: CancelTimer | undefined

  /** @param timeoutMs How long an answer is waited for. */
  constructor(connection: NatsConnection, natsPackage: NatsPackage, clock: Clock, timeoutMs: number, prefix?: string) {
    this.#connection = connection
    this.#package = natsPackage
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#inbox = natsPackage.createInbox(prefix)
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => this.#hear(message),
    })
    // When the connection is over, its client says so before it stops telling.
    this.#watch().catch(() => this.#lose())
  }

  get maxPayloadBytes(): number {
    return this.#connection.info?.max_payload ?? 1_048_576
  }

  /** Of the server that we are connected to. */
  get serverVersion(): string {
    return this.#connection.info?.version ?? '0.0.0'
  }

  /** Another one after each start of a server. */
  get serverId(): string {
    return this.#connection.info?.server_id ?? ''
  }

  /** Calls it when a lost connection is there again. */
  onReconnect(listener: () => void): void {
    this.#onReconnect.add(listener)
  }

  /** @throws ForebayError `BACKEND_UNAVAILABLE`; NobodyListens. */
  ask(subject: string, data: Uint8Array | string, headers?: Headers): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const token = String(++this.#tokens)
      const until = this.#clock.monotonic() + this.#timeoutMs
      this.#send(subject, data, `${this.#inbox}.${token}`, headers)
      this.#questions.set(token, { subject, until, answer: resolve, fail: reject })
      this.#cancelTimer ??= this.#timer()
    })
  }

  /** Sends a call that is answered by any number of messages, until `end`. It has an inbox of its own: they come under their own subjects. */
  call(subject: string, data: string, listener: Listener): { end(): void } {
    const token = String(++this.#tokens)
    const inbox = `${this.#inbox}-${token}`
    this.#checkConnected()
    const callback = (_error: Error | null, message: Msg) => listener.onMessage(message)
    const subscription = this.#connection.subscribe(inbox, { callback })
    const end = () => {
      this.#calls.delete(token)
      if (!this.#connection.isClosed()) subscription.unsubscribe()
    }
    this.#calls.set(token, { onLost: listener.onLost, end })
    this.#send(subject, data, inbox)
    return { end }
  }

  /** Sends what needs no answer; if there is no connection it is not sent. */
  tell(subject: string, data: string): void {
    if (this.#connected && !this.#connection.isClosed()) this.#connection.publish(subject, data)
  }

  close(): void {
    this.#closed = true
    this.#subscription.unsubscribe()
    this.#lose()
  }

  #send(subject: string, data: Uint8Array | string, reply: string, headers?: Headers): void {
    this.#checkConnected()
    try {
      this.#connection.publish(subject, data, { reply, ...(headers && { headers: this.#headersOf(headers) }) })
    } catch (cause) {
      throw unavailable('The NATS client could not send', cause)
    }
  }

  #checkConnected(): void {
    if (this.#connected && !this.#connection.isClosed()) return
    throw unavailable('There is no connection to the NATS server')
  }

  #headersOf(headers: Headers) {
    const made = this.#package.headers()
    for (const [name, value] of Object.entries(headers)) made.set(name, value)
    return made
  }

  #hear(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1)
    const question = this.#questions.get(token)
    this.#questions.delete(token)
    if (!question) return
    if (message.headers?.code === 503 && message.data.length === 0) {
      question.fail(new NobodyListens(`Nobody listens on ${question.subject}`))
    } else question.answer(message)
  }

  #timer(): CancelTimer | undefined {
    const [first] = this.#questions.values()
    if (!first) return undefined
    return this.#clock.after(first.until - this.#clock.monotonic(), () => this.#expire(), { background: true })
  }

  #expire(): void {
    const now = this.#clock.monotonic()
    for (const [token, { until, fail }] of this.#questions) {
      if (until > now) break
      this.#questions.delete(token)
      fail(unavailable(`The NATS server did not answer within ${this.#timeoutMs} ms`))
    }
    this.#cancelTimer = this.#timer()
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (this.#closed) return
      if (type === 'disconnect' || type === 'close') {
        this.#connected = false
        this.#lose()
      } else if (type === 'reconnect') {
        this.#connected = true
        for (const listener of this.#onReconnect) listener()
      }
    }
  }

  #lose(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const error = unavailable('The connection to the NATS server was lost')
    const questions = [...this.#questions.values()]
    const calls = [...this.#calls.values()]
    this.#questions.clear()
    this.#calls.clear()
    for (const { fail } of questions) fail(error)
    for (const { end, onLost } of calls) {
      end()
      onLost(error)
    }
  }
}

function unavailable(what: string, cause?: unknown): ForebayError {
  const message = `${what}; what was acknowledged is kept.`
  return new ForebayError('BACKEND_UNAVAILABLE', message, cause === undefined ? {} : { cause })
}
