/**
 * News of work in one queue: told to all of this process who have it open at once, and to other processes by announcements. Who
 * only pushes hears none, and needs no connection for it.
 */

import type { Clock } from '../../clock.ts'
import { Announcer } from './announcer.ts'
import { channelOf } from './channel.ts'
import type { WorkListener } from './work-listener.ts'

/** @param low The least rank of what became ready; Infinity if nothing did yet; -Infinity if that is not known. */
export type OnWork = (low: number) => void

/** Its commit waits for no sync to disk, which the commits of pushes would wait for in turn: after a crash nobody waits any more. */
const ANNOUNCE = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"

interface Wire {
  readonly schema: string
  readonly listener: WorkListener
  rows(name: string, text: string, values: unknown[]): Promise<unknown[][]>
}

export class WorkNews {
  readonly #wire: Wire
  readonly #channel: string
  readonly #process: string
  readonly #announcer: Announcer
  readonly #here = new Set<OnWork>()
  #stopHearing: (() => void) | undefined

  /** @param process Tells its own announcements from others'. */
  constructor(wire: Wire, queue: number, clock: Clock, process: string) {
    this.#wire = wire
    this.#channel = channelOf(wire.schema, queue)
    this.#process = process
    this.#announcer = new Announcer(clock, (low) =>
      wire.rows('announce', ANNOUNCE, [this.#channel, `${process} ${low}`]),
    )
  }

  /** Calls the listener whenever there may be work; returns what ends that. */
  on(onWork: OnWork): () => void {
    this.#here.add(onWork)
    this.#stopHearing ??= this.#wire.listener.on(this.#channel, (message) => this.#heard(message))
    return () => {
      this.#here.delete(onWork)
      if (this.#here.size > 0) return
      this.#stopHearing?.()
      this.#stopHearing = undefined
    }
  }

  /** Tells all, except the one who knows already. */
  tell(low: number, except?: OnWork): void {
    this.#tellHere(low, except)
    this.#announcer.announce(low)
  }

  /** Resolves when all is announced. */
  done(): Promise<void> {
    return this.#announcer.done()
  }

  #heard(message: string | undefined): void {
    const [from, low] = message?.split(' ') ?? ['', Number.NEGATIVE_INFINITY]
    if (from !== this.#process) this.#tellHere(Number(low))
  }

  #tellHere(low: number, except?: OnWork): void {
    for (const onWork of [...this.#here]) if (onWork !== except) onWork(low)
  }
}
