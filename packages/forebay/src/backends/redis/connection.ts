/**
 * One connection to Redis that never gives up. Every call has a deadline; one that passes it is rejected and the connection, which
 * may be half open, is thrown away and made anew. While there is none, calls wait for it within their deadlines, and no more
 * than a bounded number of them.
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

interface Call {
  readonly go: () => void
  readonly fail: (error: ForebayError) => void
}

export class Connection {
  readonly #client: RedisClient
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Calls that wait for the connection, in their order. */
  readonly #waiting = new Set<Call>()
  #waitsNoMore = false
  #lost = true
  #closed = false
  #lastError: unknown
  #turnedAway = -Infinity
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

  /** Connects for the first time. @throws ForebayError `BACKEND_UNAVAILABLE` if that fails. */
  async open(): Promise<void> {
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
    return this.ask(async (client) => {
      try {
        return await client.evalsha(script.sha, 1, key, ...args)
      } catch (thrown) {
        // A server that was restarted or flushed, or another node of a cluster, has to be told the text.
        if (!isMissingScript(thrown)) throw thrown
        return client.eval(script.text, 1, key, ...args)
      }
    })
  }

  /**
   * Sends something, once connected, and answers what comes back within the time-out.
   * @param moreMs How much longer than usual the answer may take.
   * @throws ForebayError
   */
  ask<Reply>(send: (client: RedisClient) => Promise<Reply>, moreMs = 0): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let sent = false
      const call: Call = {
        go: () => {
          sent = true
          send(this.#client).then(
            (reply) => {
              end()
              resolve(reply)
            },
            (thrown) => {
              if (pointsElsewhere(thrown)) this.#turnAway()
              call.fail(fromRedis(thrown))
            },
          )
        },
        fail: (error) => {
          end()
          reject(error)
        },
      }
      const cancel = this.#afterDeadline(this.#timeoutMs + moreMs, () => {
        call.fail(this.#tooLate(sent))
        if (sent) this.breakOff()
      })
      const end = () => {
        cancel()
        this.#waiting.delete(call)
      }
      if (!this.#lost) call.go()
      else if (this.#waitsNoMore || this.#waiting.size >= MOST_WAITING) call.fail(this.#tooLate(false))
      else this.#waiting.add(call)
    })
  }

  /** Throws the connection away and makes it anew; what is in flight is rejected. */
  breakOff(): void {
    if (this.#lost || this.#closed) return
    this.#lost = true
    this.#client.disconnect(true)
  }

  /** From now on nothing waits for a connection: what has none is rejected. */
  waitNoMore(): void {
    this.#waitsNoMore = true
    for (const { fail } of [...this.#waiting]) fail(this.#tooLate(false))
  }

  /** Ends it; what is in flight is rejected. */
  drop(): void {
    this.#closed = true
    this.#lost = true
    this.#cancelWatch?.()
    this.waitNoMore()
    this.#client.disconnect()
  }

  #onReady(): void {
    this.#cancelWatch?.()
    if (this.#closed) return
    this.#lost = false
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const { go } of waiting) go()
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

  #afterDeadline(delayMs: number, fire: () => void): CancelTimer {
    let cancel = this.#clock.after(delayMs, () => {
      cancel = this.#clock.after(SECOND_LOOK_MS, fire)
    })
    return () => cancel()
  }

  #within<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#timeoutMs, () => reject(this.#tooLate(false)))
      promise.finally(cancel).then(resolve, reject)
    })
  }
}
