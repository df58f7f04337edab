/**
 * What all consumers of the queue keep together: each cell is the last message of a subject, replaced only if it still is.
 * Steps that come while one is under way go together into the next, so that a process competes only with others.
 */

import { type Clock, sleep } from '../../clock.ts'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import { GroupCommit } from '../../group-commit.ts'
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
const MOST_SPREADS = 10

export class SharedCells {
  readonly #jetstream: JetStream
  readonly #names: QueueNames
  readonly #time: ServerTime
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #steps = new Map<string, GroupCommit<Step, Applied<Step>>>()

  constructor(jetstream: JetStream, names: QueueNames, time: ServerTime, clock: Clock, random: RandomSource) {
    this.#jetstream = jetstream
    this.#names = names
    this.#time = time
    this.#clock = clock
    this.#random = random
  }

  async apply<S extends Step>(cell: string, step: S): Promise<Applied<S>> {
    let steps = this.#steps.get(cell)
    if (!steps) {
      steps = new GroupCommit((group) => this.#applyAll(cell, group))
      this.#steps.set(cell, steps)
    }
    return (await steps.add(step)) as Applied<S>
  }

  async #applyAll(cell: string, steps: readonly Step[]): Promise<Applied<Step>[]> {
    const subject = this.#names.cell(cell)
    for (let outrun = 1; ; outrun++) {
      const message = await this.#jetstream.last(this.#names.marksStream, subject)
      const before = message && (JSON.parse(Buffer.from(message.data).toString()) as Cell)
      const { now: read, ahead } = await this.#time.now()
      const now = Math.max(read, before?.changedAt ?? 0)
      let text = before?.text
      const applied: Applied<Step>[] = []
      for (const step of steps) {
        const [next, result] = applyStep(text, step, now)
        text = next
        applied.push({ result, now, ahead })
      }
      const after: Cell = { text: text ?? '', changedAt: now }
      try {
        await this.#jetstream.publish(subject, JSON.stringify(after), { lastSequence: message?.sequence ?? 0 })
        return applied
      } catch (thrown) {
        if (!isOutrun(thrown)) throw thrown
      }
      await sleep(this.#clock, this.#random.next() * SPREAD_MS * Math.min(outrun, MOST_SPREADS))
    }
  }
}
