/**
 * One connection to Redis that never gives up. Every call has a deadline; when one passes, the connection, which may be half
 * open, is thrown away and made anew, and all that was under way is rejected. While there is none, calls wait for it within
 * their deadlines, and no more than a bounded number of them.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { ForebayError, messageOf } from '../../errors.ts'
import { fromRedis, isMissingScript, pointsElsewhere } from './redis-errors.ts'
import type { RedisClient } from './redis-clients.ts'
import type { Argument, Script } from './script.ts'

/** So many calls may wait for a connection; more are rejected at once. */
const MOST_WAITING = 1_000

/**
 * A deadline that has passed is looked at once more after this: when the event loop was blocked, timers fire before what
 * came in meanwhile is read.
 */
const SECOND_LOOK_MS = 50

/** A server that is the wrong one is not turned away from more often than this. */
const TURN_AWAY_MS = 500

/** If the library gives up, we don't. */
const CONNECT_AGAIN_MS = 1_000

type Send = (client: RedisClient) => Promise<unknown>

interface Call {
  readonly deadline: number
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: ForebayError) => void
  send: Send
  /** What to send instead, if the server lacks the script. */
  otherwise: Send | undefined
  sent: boolean
}

export class Connection {
  readonly #client: RedisClient
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Waiting or under way, in their order. */
  readonly #calls = new Set<Call>()
  #waiting = 0
  #waitsNoMore = false
  #begun = false
  #lost = true
  #closed = false
  #lastError: unknown
  #turnedAway = -Infinity
  /** One timer for all deadlines, so that a call costs none. */
  #cancelCheck: CancelTimer | undefined
  #cancelWatch: CancelTimer | undefined

  /** @param client Not yet connected. */
  constructor(client: RedisClient, clock: Clock, timeoutMs: number) {
    this.#client = client
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    client.on('error', (thrown) => {
      this.#lastError = thrown
    })
    client.on('connect', () => this.#watchHandshake())
    client.on('ready', () => this.#onReady())
    client.on('close', () => this.#onClose())
    client.on('end', () => this.#onEnd())
  }

  /** Connects now, and not with the first call. @throws ForebayError `BACKEND_UNAVAILABLE` if that fails. */
  async open(): Promise<void> {
    this.#begun = true
    try {
      await this.#within(this.#client.connect())
    } catch (thrown) {
      this.drop()
      const why = messageOf(this.#lastError ?? thrown)
      const details = { cause: thrown }
      throw new ForebayError('BACKEND_UNAVAILABLE', `Redis can't be reached: ${why}. Nothing was done.`, details)
    }
  }

  get client(): RedisClient {
    return this.#client
  }

  /** Runs a script on a queue. @throws ForebayError */
  run(script: Script, key: string, args: readonly Argument[]): Promise<unknown> {
    const send: Send = (client) => client.evalsha(script.sha, 1, key, ...args)
    // A server that was restarted or flushed, or another node of a cluster, has to be told the text.
    return this.#call(send, 0, (client) => client.eval(script.text, 1, key, ...args))
  }

  /**
   * Sends something, once connected, and answers what comes back within the time-out.
   * @param moreMs How much longer than usual the answer may take.
   * @throws ForebayError
   */
  ask<Reply>(send: (client: RedisClient) => Promise<Reply>, moreMs = 0): Promise<Reply> {
    return this.#call(send, moreMs) as Promise<Reply>
  }

  /** Throws the connection away and makes it anew; what is under way is rejected. */
  breakOff(): void {
    if (this.#lost || this.#closed) return
    this.#lost = true
    this.#client.disconnect(true)
  }

  /** From now on nothing waits for a connection: what has none is rejected. */
  waitNoMore(): void {
    this.#waitsNoMore = true
    for (const call of this.#calls) if (!call.sent) this.#fail(call, this.#tooLate(false))
  }

  /** Ends it; what is under way is rejected. */
  drop(): void {
    this.#closed = true
    this.#lost = true
    this.#cancelWatch?.()
    this.#cancelCheck?.()
    this.waitNoMore()
    this.#client.disconnect()
  }

  #call(send: Send, moreMs: number, otherwise?: Send): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#lost && (this.#waitsNoMore || this.#waiting >= MOST_WAITING)) return reject(this.#tooLate(false))
      const deadline = this.#clock.monotonic() + this.#timeoutMs + moreMs
      const call: Call = { deadline, resolve, reject, send, otherwise, sent: false }
      this.#calls.add(call)
      this.#cancelCheck ??= this.#clock.after(this.#timeoutMs + moreMs, this.#checkDeadlines, { background: true })
      if (!this.#lost) this.#send(call)
      else {
        this.#waiting++
        this.#begin()
      }
    })
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    // Should it fail, the library tries again, and the calls have deadlines.
    this.#client.connect().catch(() => {})
  }

  #send(call: Call): void {
    call.sent = true
    call.send(this.#client).then(
      (reply) => {
        this.#calls.delete(call)
        call.resolve(reply)
      },
      (thrown) => this.#onRefusal(call, thrown),
    )
  }

  #onRefusal(call: Call, thrown: unknown): void {
    if (call.otherwise && isMissingScript(thrown)) {
      call.send = call.otherwise
      call.otherwise = undefined
      this.#send(call)
      return
    }
    if (pointsElsewhere(thrown)) this.#turnAway()
    this.#fail(call, fromRedis(thrown))
  }

  #fail(call: Call, error: ForebayError): void {
    if (this.#calls.delete(call) && !call.sent) this.#waiting--
    call.reject(error)
  }

  readonly #checkDeadlines = (): void => {
    const now = this.#clock.monotonic()
    const late = [...this.#calls].filter(({ deadline }) => deadline <= now)
    if (late.length === 0) this.#checkAgain()
    else this.#cancelCheck = this.#clock.after(SECOND_LOOK_MS, () => this.#giveUp(late), { background: true })
  }

  #giveUp(late: readonly Call[]): void {
    const still = late.filter((call) => this.#calls.has(call))
    for (const call of still) this.#fail(call, this.#tooLate(call.sent))
    if (still.some(({ sent }) => sent)) this.breakOff()
    this.#checkAgain()
  }

  #checkAgain(): void {
    this.#cancelCheck = undefined
    if (this.#calls.size === 0 || this.#closed) return
    const next = Math.min(...[...this.#calls].map(({ deadline }) => deadline))
    const inMs = next - this.#clock.monotonic()
    this.#cancelCheck = this.#clock.after(inMs, this.#checkDeadlines, { background: true })
  }

  #onReady(): void {
    this.#cancelWatch?.()
    if (this.#closed) return
    this.#lost = false
    this.#waiting = 0
    for (const call of this.#calls) if (!call.sent) this.#send(call)
  }

  #onClose(): void {
    this.#lost = true
    this.#cancelWatch?.()
  }

  #onEnd(): void {
    if (this.#closed) return
    this.#clock.after(CONNECT_AGAIN_MS, () => {
      if (!this.#closed) this.#client.connect().catch(() => {})
    })
  }

  /** A server that accepts a connection and then says nothing would be waited for without end. */
  #watchHandshake(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = this.#clock.after(this.#timeoutMs, () => this.#client.disconnect(true))
  }

  /** What answered is a replica: perhaps the name now leads to another server. */
  #turnAway(): void {
    const now = this.#clock.monotonic()
    if (now - this.#turnedAway < TURN_AWAY_MS) return
    this.#turnedAway = now
    this.breakOff()
  }

  #tooLate(sent: boolean): ForebayError {
    const what = sent
      ? `Redis did not answer within ${this.#timeoutMs} ms; whether this was done is not known.`
      : `There is no connection to Redis (${messageOf(this.#lastError ?? 'it was lost')}); nothing was done.`
    return new ForebayError('BACKEND_UNAVAILABLE', what, { cause: this.#lastError })
  }

  #within<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#timeoutMs, () => reject(this.#tooLate(false)))
      promise.finally(cancel).then(resolve, reject)
    })
  }
}
