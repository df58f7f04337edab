/**
 * Ends grants. What goes on (a retry, a release, a dead letter) is published as a copy, and the delivery acknowledged when
 * the copy is stored: a crash between the two leaves both, and never neither.
 */

import type { Clock } from '../../clock.ts'
import type { ForebayError } from '../../errors.ts'
import { type FailedAttempt, TASK_BOUNDS } from '../../task.ts'
import type { Settlement, SettleResult } from '../queue-service.ts'
import { copyOf, type Delivery, finish } from './delivery.ts'
import type { Grant, Grants } from './grants.ts'
import { bodyOf, type Death, type Letter, type Outgoing } from './message.ts'
import type { Published, Publisher } from './publisher.ts'
import { fromRabbitmq } from './rabbitmq-errors.ts'
import type { Topology } from './topology.ts'

export interface SettlingOptions {
  readonly grants: Grants
  readonly publisher: Publisher
  readonly topology: Topology
  readonly clock: Clock
  readonly place: string
  /** Resolves when the server has received all that was said on the channel before. */
  readonly sync: (channel: Delivery['channel']) => Promise<void>
  readonly stamp: () => string
}

interface Ending {
  readonly settlement: Settlement
  readonly grant: Grant
  result: SettleResult | undefined
}

const STALE: SettleResult = { status: 'stale' }

export class Settling {
  readonly #options: SettlingOptions
  #underWay = 0

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  /** How many grants are being ended. */
  get underWay(): number {
    return this.#underWay
  }

  async settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    const endings = settlements.map((settlement): Ending | undefined => {
      const grant = this.#options.grants.take(settlement.claim)
      return grant && { settlement, grant, result: undefined }
    })
    const ours = endings.filter((ending) => ending !== undefined)
    this.#underWay += ours.length
    try {
      await this.#publish(ours)
      await this.#acknowledge(ours.filter(({ result }) => result === undefined))
    } finally {
      this.#underWay -= ours.length
    }
    return endings.map((ending) => ending?.result ?? STALE)
  }

  /** Stores the copies; of those that are not stored the lease goes on. */
  async #publish(endings: readonly Ending[]): Promise<void> {
    const { publisher, grants } = this.#options
    const going = endings.flatMap((ending) => {
      const copy = this.#copy(ending)
      return copy ? [{ ending, copy }] : []
    })
    const published = await publisher
      .publish(going.map(({ copy }) => copy))
      .catch((thrown: unknown): Published[] => going.map(() => this.#error(thrown, 'It was not settled.')))
    going.forEach(({ ending }, index) => {
      const error = published[index]
      if (!error) return
      ending.result = { status: 'failed', error }
      grants.giveBack(ending.grant)
    })
  }

  async #acknowledge(endings: readonly Ending[]): Promise<void> {
    for (const ending of endings) {
      const { delivery } = ending.grant
      const acknowledged = await finish(delivery, 'ack')
      // A copy that is stored is an outcome that is stored, although the server will give the task out once more.
      if (acknowledged || this.#goesOn(ending)) ending.result = { status: 'settled' }
      else ending.result = STALE
    }
    const channels = new Set(endings.map(({ grant }) => grant.delivery.channel))
    for (const channel of channels) {
      const unknown = await this.#options.sync(channel).catch((thrown: unknown) => thrown)
      if (!unknown) continue
      const error = this.#error(unknown, 'Whether the task was completed is not known; it may be granted again.')
      for (const ending of endings) {
        if (ending.grant.delivery.channel !== channel || ending.result?.status !== 'settled') continue
        if (!this.#goesOn(ending)) ending.result = { status: 'failed', error }
      }
    }
  }

  #goesOn({ settlement: { outcome } }: Ending): boolean {
    return outcome !== 'complete' && outcome !== 'expire'
  }

  #copy({ settlement, grant: { delivery } }: Ending): Outgoing | undefined {
    const { topology, clock } = this.#options
    const attempts = delivery.attempts + 1
    switch (settlement.outcome) {
      case 'retry': {
        const body = bodyOf(withFailure(delivery.letter, settlement.failure))
        return copyOf(delivery, topology.main, attempts, { body, ...this.#waiting(settlement.delayMs) })
      }
      case 'release':
        return copyOf(delivery, topology.main, delivery.attempts, this.#waiting(settlement.delayMs))
      case 'dead': {
        const { reason, failure } = settlement
        const death: Death = { reason, at: clock.now(), stamp: this.#options.stamp() }
        const letter = withFailure(delivery.letter, failure)
        const body = bodyOf({ ...letter, record: { ...letter.record, death } })
        return copyOf(delivery, topology.dead, attempts, { body })
      }
      default:
        return undefined
    }
  }

  #waiting(delayMs: number): Partial<Outgoing> {
    const { topology, clock } = this.#options
    return delayMs > 0 ? topology.delayed(delayMs) : { readyAt: clock.now() }
  }

  #error(thrown: unknown, kept: string): ForebayError {
    return fromRabbitmq(thrown, this.#options.place, kept)
  }
}

function withFailure({ record, payload }: Letter, failure: FailedAttempt | undefined): Letter {
  if (!failure) return { record, payload }
  const failures = [...(record.failures ?? []), failure].slice(-TASK_BOUNDS.failuresKept)
  return { record: { ...record, failures }, payload }
}
