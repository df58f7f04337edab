/** A channel that is opened when it is needed, made ready for its use, and opened anew after it was closed. */

import type { Channel } from 'rabbitmq-client'
import type { Clock } from '../../clock.ts'
import { within } from './answer.ts'
import { fromRabbitmq } from './rabbitmq-errors.ts'
import type { Wire } from './wire.ts'

export class Session {
  readonly #wire: Wire
  readonly #clock: Clock
  readonly #prepare: (channel: Channel) => Promise<void>
  #opening: Promise<Channel> | undefined
  #channel: Channel | undefined

  /** @param prepare Makes a new channel ready; if it rejects, the channel is closed and the caller told. */
  constructor(wire: Wire, clock: Clock, prepare: (channel: Channel) => Promise<void>) {
    this.#wire = wire
    this.#clock = clock
    this.#prepare = prepare
  }

  /** @throws ForebayError BACKEND_UNAVAILABLE, INVALID_OPTION */
  get(): Promise<Channel> {
    // A blocked connection holds back whatever is written to it: nobody would answer.
    if (this.#wire.blocked !== undefined) return Promise.reject(this.#wire.blockedError('Nothing was done.'))
    if (this.#channel?.active) return Promise.resolve(this.#channel)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** Calls the server on the channel. @param kept What became of what was asked for if it fails, in a sentence. */
  async ask<T>(call: (channel: Channel) => Promise<T>, kept = 'Nothing was done.'): Promise<T> {
    const channel = await this.get()
    try {
      return await within(this.#clock, call(channel))
    } catch (thrown) {
      this.drop(channel)
      throw fromRabbitmq(thrown, this.#wire.place, kept)
    }
  }

  /** Gives up a channel that can't be trusted any more. */
  drop(channel: Channel): void {
    if (this.#channel === channel) this.#channel = undefined
    void channel.close()
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined)
    const channel = this.#channel
    this.#channel = undefined
    if (channel?.active) await within(this.#clock, channel.close(), 1_000).catch(() => undefined)
  }

  async #open(): Promise<Channel> {
    const channel = await this.#wire.channel()
    try {
      await within(this.#clock, this.#prepare(channel))
    } catch (thrown) {
      void channel.close()
      throw fromRabbitmq(thrown, this.#wire.place, 'Nothing was done.')
    }
    this.#channel = channel
    return channel
  }
}
