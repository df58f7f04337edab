/** What an open queue is doing for its callers: awaited when the queue closes, and refused afterwards. */

import { ForebayError } from '../errors.ts'
import { UnderWay } from '../under-way.ts'
import type { DeadLetters } from './queue-service.ts'

export class OpenWork {
  readonly #underWay = new UnderWay()
  #closing: Promise<void> | undefined

  /** @throws ForebayError `QUEUE_CLOSED` */
  check(): void {
    if (this.#closing) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
  }

  /** @throws ForebayError `QUEUE_CLOSED` */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.check()
    this.#underWay.begin()
    try {
      return await work()
    } finally {
      this.#underWay.end()
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
    await this.#underWay.idle()
  }

  /** Closes once, however often it is called. */
  close(end: () => Promise<void>): Promise<void> {
    this.#closing ??= end()
    return this.#closing
  }
}
