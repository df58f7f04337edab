/** What all consumers of the queue keep together: each cell is the last message of a subject, replaced only if it still is. */

import { type Clock, sleep } from '../../clock.ts'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import type { RandomSource } from '../../random.ts'
import type { Applied } from '../shared-state.ts'
import type { JetStream } from './jetstream.ts'
import { isOutrun } from './nats-errors.ts'
import type { QueueNames } from './queue-names.ts'
import type { ServerTime } from './server-time.ts'

interface Cell {
  readonly text: string
  /** When it was last changed, by the server's clock as its changer knew it: so no step goes back in time. */
  readonly changedAt: number
}

/** Who was outrun tries again after up to this, times how often it was. */
const SPREAD_MS = 2

export class SharedCells {
  readonly #jetstream: JetStream
  readonly #names: QueueNames
  readonly #time: ServerTime
  readonly #clock: Clock
  readonly #random: RandomSource

  constructor(jetstream: JetStream, names: QueueNames, time: ServerTime, clock: Clock, random: RandomSource) {
    this.#jetstream = jetstream
    this.#names = names
    this.#time = time
    this.#clock = clock
    this.#random = random
  }

  async apply<S extends Step>(name: string, step: S): Promise<Applied<S>> {
    const subject = this.#names.cell(name)
    for (let outrun = 1; ; outrun++) {
      const message = await this.#jetstream.last(this.#names.marksStream, subject)
      const before = message && (JSON.parse(Buffer.from(message.data).toString()) as Cell)
      const { now: read, ahead } = await this.#time.now()
      const now = Math.max(read, before?.changedAt ?? 0)
      const [text, result] = applyStep(before?.text, step, now)
      const after: Cell = { text, changedAt: now }
      try {
        await this.#jetstream.publish(subject, JSON.stringify(after), { lastSequence: message?.sequence ?? 0 })
        return { result, now, ahead }
      } catch (thrown) {
        if (!isOutrun(thrown)) throw thrown
      }
      await sleep(this.#clock, this.#random.next() * SPREAD_MS * outrun)
    }
  }
}
