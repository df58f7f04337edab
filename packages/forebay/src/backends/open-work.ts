/** What an open queue is doing for its callers: awaited when the queue closes, and refused afterwards. */

import { ForebayError } from '../errors.ts'
import type { DeadLetters } from './queue-service.ts'

export class OpenWork {
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** @throws ForebayError `QUEUE_CLOSED` */
  check(): void {
    if (this.#closing) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
  }

  /** @throws ForebayError `QUEUE_CLOSED` */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.check()
    const done = work()
    this.#underWay.add(done)
    try {
      return await done
    } finally {
      this.#underWay.delete(done)
    }
  }

  /** The dead letters of a queue, for as long as it is open. */
  guarded(dead: DeadLetters): DeadLetters {
    return {
      list: (page) => this.run(() => dead.list(page)),
      redrive: (which) => this.run(() => dead.redrive(which)),
      drop: (which) => this.run(() => dead.drop(which)),
    }
  }

  /** All that was asked before has been seen to. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }

  /** Closes once, however often it is called. */
  close(end: () => Promise<void>): Promise<void> {
    this.#closing ??= end()
    return this.#closing
  }
}
