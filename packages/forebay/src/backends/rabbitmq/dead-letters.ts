/**
 * The dead letters: a queue, so to look at them is to walk it, from one end to the other, and to give back what was not
 * taken. One walk at a time, over all processes: whoever walks holds an exclusive queue, which the server takes from it when
 * its connection ends.
 */

import type { AsyncMessage, Channel } from 'rabbitmq-client'
import { type Clock, sleep } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { TaskId } from '../../task.ts'
import type { DeadLetter, DeadLetters, DeadPage } from '../queue-service.ts'
import { countReady, nextTurn, within } from './answer.ts'
import {
  bodyOf,
  type Death,
  foreignLetter,
  type Letter,
  letterOf,
  type Outgoing,
  progressOf,
  storedTask,
} from './message.ts'
import type { Published, Publisher } from './publisher.ts'
import { fromRabbitmq, rabbitmqCode } from './rabbitmq-errors.ts'
import type { Topology } from './topology.ts'
import type { Wire } from './wire.ts'

/** A walk looks at so many, the oldest first: AMQP counts them in two bytes. */
const MOST_WALKED = 65_535

/** So many are taken out at once. */
const TAKEN_AT_ONCE = 500

/** What the server has counted comes at once, unless it is very busy. */
const IDLE_ROUNDS = 200
const IDLE_MS = 10

const LOCK_AGAIN_MS = 25
const LOCK_MS = 10_000

type DeadMessage = Letter & {
  readonly tag: number
  readonly attempts: number
  readonly death: Death
  readonly rank?: number
}

export interface DeadQueueOptions {
  readonly wire: Wire
  readonly topology: Topology
  readonly publisher: Publisher
  readonly clock: Clock
  readonly stamp: () => string
}

export class DeadQueue implements DeadLetters {
  readonly #options: DeadQueueOptions
  #walked = 0

  constructor(options: DeadQueueOptions) {
    this.#options = options
  }

  /** How many are with us, because they are being looked at. */
  get walked(): number {
    return this.#walked
  }

  list({ limit, after = '' }: { readonly limit: number; readonly after?: string }): Promise<DeadPage> {
    const oldest = new Oldest(limit + 1)
    return this.#walk(async (walk) => {
      await walk.pass(MOST_WALKED, (letter) => {
        if (letter.death.stamp > after) oldest.add(letter)
      })
      const found = oldest.sorted
      const shown = found.slice(0, limit)
      return { items: shown.map(asDeadLetter), next: found.length > limit ? shown.at(-1)?.death.stamp : undefined }
    })
  }

  redrive(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#take(which, async (letters) => {
      const published = await this.#options.publisher.publish(letters.map((letter) => this.#revived(letter)))
      return published
    })
  }

  drop(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#take(which, async (letters) => letters.map(() => undefined))
  }

  /** Takes those out that are named and for which `act` does not answer with an error; rejects with the first error. */
  #take(
    which: readonly TaskId[] | 'all',
    act: (letters: readonly DeadMessage[]) => Promise<readonly Published[]>,
  ): Promise<number> {
    const ids = which === 'all' ? undefined : new Set(which)
    return this.#walk(async (walk) => {
      let count = 0
      const acting = async (letters: readonly DeadMessage[]) => {
        const results = await act(letters)
        letters.forEach(({ tag }, index) => {
          if (results[index] === undefined) walk.take(tag)
        })
        count += results.filter((error) => error === undefined).length
        const failed = results.find((error) => error !== undefined)
        if (failed) throw failed
      }
      let found: DeadMessage[] = []
      const collect = (letter: DeadMessage) => {
        if (!ids || ids.has(letter.record.id)) found.push(letter)
      }
      // Of all, so many at a time; those that die meanwhile are left.
      await walk.pass(ids ? MOST_WALKED : TAKEN_AT_ONCE, collect, async () => {
        const letters = found
        found = []
        for (let at = 0; at < letters.length; at += TAKEN_AT_ONCE) await acting(letters.slice(at, at + TAKEN_AT_ONCE))
      })
      return count
    })
  }

  #revived({ record, payload, rank }: DeadMessage): Outgoing {
    const { topology, clock } = this.#options
    const { death: _, ...alive } = record
    const now = clock.now()
    const body = bodyOf({ record: { ...alive, ...(alive.ttlMs && { expiresAt: now + alive.ttlMs }) }, payload })
    const rest = { attempts: 0, readyAt: now, leftMs: 0, ...(rank !== undefined && { rank }) }
    return { queue: topology.main, id: record.id, body, ...rest }
  }

  #walk<T>(work: (walk: Walk) => Promise<T>): Promise<T> {
    const { wire, topology } = this.#options
    return wire.alone(topology.deadLock, () => this.#walkAlone(work))
  }

  async #walkAlone<T>(work: (walk: Walk) => Promise<T>): Promise<T> {
    const { wire, topology, clock, stamp } = this.#options
    const channel = await this.#lockedChannel()
    const letterFrom = (message: AsyncMessage) => deadMessage(message, stamp, clock)
    const walk = new Walk(channel, topology.dead, clock, letterFrom, (count) => {
      this.#walked = count
    })
    try {
      const result = await work(walk)
      await walk.end()
      return result
    } catch (thrown) {
      throw fromRabbitmq(thrown, wire.place, 'What was not done yet is still among the dead letters.')
    } finally {
      this.#walked = 0
      await channel.close()
      await this.#unlock()
    }
  }

  /** If it fails, the connection is lost, and the lock with it. */
  async #unlock(): Promise<void> {
    const { wire, topology } = this.#options
    const channel = await wire.channel().catch(() => undefined)
    await channel?.queueDelete({ queue: topology.deadLock }).catch(() => undefined)
    await channel?.close()
  }

  /** A channel whose connection is the only one that walks. A lock that another holds closes the channel. */
  async #lockedChannel(): Promise<Channel> {
    const { wire, topology, clock } = this.#options
    for (const until = clock.monotonic() + LOCK_MS; ; await sleep(clock, LOCK_AGAIN_MS)) {
      const channel = await wire.channel()
      try {
        await channel.queueDeclare({ queue: topology.deadLock, exclusive: true, autoDelete: true })
        await topology.declare(channel)
        return channel
      } catch (thrown) {
        await channel.close()
        if (rabbitmqCode(thrown) !== 'RESOURCE_LOCKED') throw fromRabbitmq(thrown, wire.place, 'Nothing was done.')
      }
      if (clock.monotonic() >= until) {
        const message = `Another process has been looking at the dead letters of "${topology.main}" for ${LOCK_MS / 1_000} s; nothing was done.`
        throw new ForebayError('BACKEND_UNAVAILABLE', message)
      }
    }
  }
}

/** One pass over the queue; what is not taken goes back in its order when it ends. */
class Walk {
  readonly #channel: Channel
  readonly #queue: string
  readonly #clock: Clock
  readonly #letterFrom: (message: AsyncMessage) => DeadMessage
  readonly #onHeld: (count: number) => void
  #consumerTag = ''
  #held = 0
  #lastTag = 0

  constructor(
    channel: Channel,
    queue: string,
    clock: Clock,
    letterFrom: (message: AsyncMessage) => DeadMessage,
    onHeld: (count: number) => void,
  ) {
    this.#channel = channel
    this.#queue = queue
    this.#clock = clock
    this.#letterFrom = letterFrom
    this.#onHeld = onHeld
  }

  /**
   * Visits all letters that are there when it begins.
   * @param atOnce So many are with us at a time; to get further `act` must take them.
   * @param act Called again and again, when what the server gave out has been visited.
   */
  async pass(
    atOnce: number,
    visit: (letter: DeadMessage) => void,
    act: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    const channel = this.#channel
    let seen = 0
    // Known when the first have come.
    let all = Number.POSITIVE_INFINITY
    const receive = (message: AsyncMessage) => {
      this.#lastTag = message.deliveryTag
      this.#onHeld(++this.#held)
      if (seen++ < all) visit(this.#letterFrom(message))
    }
    await channel.basicQos({ prefetchCount: atOnce })
    this.#consumerTag = (await channel.basicConsume({ queue: this.#queue }, receive)).consumerTag
    for (let idle = 0; idle < IDLE_ROUNDS; ) {
      const before = seen
      // The queue answers after it has given out, and the channel answers after it has sent that on.
      const left = await countReady(channel, this.#queue, this.#clock)
      await within(this.#clock, channel.confirmSelect())
      await nextTurn()
      all = Math.min(all, seen + left)
      await act()
      if (seen >= all || this.#held >= atOnce) return
      idle = seen > before ? 0 : idle + 1
      await sleep(this.#clock, IDLE_MS)
    }
  }

  take(deliveryTag: number): void {
    this.#channel.basicAck({ deliveryTag })
    this.#onHeld(--this.#held)
  }

  async end(): Promise<void> {
    await this.#channel.basicCancel(this.#consumerTag)
    await nextTurn()
    if (this.#held > 0) this.#channel.basicNack({ deliveryTag: this.#lastTag, multiple: true, requeue: true })
    await within(this.#clock, this.#channel.confirmSelect())
  }
}

/** The oldest letters that were added, so many of them at most, however many come. */
class Oldest {
  readonly #most: number
  #letters: DeadMessage[] = []

  constructor(most: number) {
    this.#most = most
  }

  add(letter: DeadMessage): void {
    this.#letters.push(letter)
    if (this.#letters.length >= 2 * this.#most) this.#letters = this.sorted
  }

  get sorted(): DeadMessage[] {
    const byDeath = (a: DeadMessage, b: DeadMessage) => (a.death.stamp < b.death.stamp ? -1 : 1)
    return this.#letters.sort(byDeath).slice(0, this.#most)
  }
}

function deadMessage(message: AsyncMessage, stamp: () => string, clock: Clock): DeadMessage {
  const letter = letterOf(message) ?? foreignLetter(message, stamp(), clock.now())
  // Without a death of its own it was put there by somebody else.
  const death = letter.record.death ?? { reason: 'unreadable', at: clock.now(), stamp: stamp() }
  const { deliveryTag: tag, priority: rank } = message
  return { ...letter, death, tag, attempts: progressOf(message).attempts, ...(rank !== undefined && { rank }) }
}

function asDeadLetter(letter: DeadMessage): DeadLetter {
  const { reason, at } = letter.death
  return { task: storedTask(letter, letter.attempts), reason, deadAt: at }
}
