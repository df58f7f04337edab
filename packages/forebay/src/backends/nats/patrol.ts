/**
 * Looks after tasks that nothing points to any more: somebody purged the notes, or a server lost track of what it was to
 * deliver. Round by round it walks through the versions that the consumer has been at; a version that waits gets its note
 * again, and one that is ready, was given out and stays nobody's is superseded by one that will be given out.
 */

import type { Clock } from '../../clock.ts'
import { Pause } from './pause.ts'
import type { Store, StoredGrant } from './store.ts'
import { readyAtOf, successorOf, type Version } from './task-record.ts'

const EVERY_MS = 60_000
const SOON_MS = 500

/** Nobody's for so long: whoever was to grant it has not. */
const SUSPECT_MS = 30_000

/** A suspicion is dropped if the version is not met again. */
const FORGET_MS = 600_000

/** More versions than these before the last one that was handed out are not told to be gone. */
const MOST_GONE = 50_000

/** So many versions at a time; where something was amiss, the next ones follow at once. */
const ROUND = 200

export class Patrol {
  readonly #store: Store
  readonly #clock: Clock
  readonly #pause: Pause
  #ended = false
  /** Versions that are nobody's, and since when, by our monotonic clock. */
  readonly #suspects = new Map<number, number>()
  #next = 1
  /** Since the server is back the walk has not come to its end. */
  #isAfterRestart = false

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#pause = new Pause(clock)
  }

  /** Until `close`: the first round at once. */
  async run(): Promise<void> {
    while (!this.#ended) {
      const healed = await this.round().catch(() => 0)
      // A server that has just come back may not answer yet.
      if (healed === 0 && !this.#ended) await this.#pause.for(this.#isAfterRestart ? SOON_MS : EVERY_MS)
    }
  }

  /** Something was found missing. */
  hurry(): void {
    this.#next = 1
    this.#pause.cut()
  }

  /**
   * A server that was killed forgets what its consumer was told last. It offers what is gone again and again, each time in the
   * place of something that is there; so it is told once more.
   */
  serverIsBack(): void {
    this.#isAfterRestart = true
    this.hurry()
  }

  close(): void {
    this.#ended = true
    this.#pause.cut()
  }

  /** Resolves with how many versions were put right. */
  async round(): Promise<number> {
    const { nextReady, doneUpTo } = await this.#store.counts()
    let healed = this.#isAfterRestart ? 1 : 0
    for (let looked = 0; looked < ROUND && !this.#ended; looked++) {
      const version = await this.#store.nextVersion(this.#next)
      const isOver = !version || version.sequence >= nextReady
      if (this.#isAfterRestart) {
        const from = Math.max(this.#next, doneUpTo + 1, nextReady - MOST_GONE)
        this.#store.finishGone(from, (isOver ? nextReady : version.sequence) - 1)
        if (isOver) this.#isAfterRestart = false
      }
      if (isOver) {
        this.#beginAgain()
        break
      }
      this.#next = version.sequence + 1
      if (await this.#look(version)) healed++
    }
    return healed
  }

  #beginAgain(): void {
    this.#next = 1
    const now = this.#clock.monotonic()
    for (const [sequence, since] of this.#suspects) if (now - since > FORGET_MS) this.#suspects.delete(sequence)
  }

  /** Whether something was put right. */
  async #look(version: Version): Promise<boolean> {
    const { record, sequence } = version
    if (record.kind === 'anchor') {
      await this.#store.forgetOldAnchor(sequence)
      return false
    }
    if (record.kind !== 'ready') return this.#store.noteMet(version)
    const grant = await this.#store.grantOf(sequence)
    const { now, error } = await this.#store.time.now()
    if (grant && grant.storedAt + grant.leaseMs + error > now) {
      this.#suspects.delete(sequence)
      return false
    }
    const since = this.#suspects.get(sequence) ?? this.#clock.monotonic()
    this.#suspects.set(sequence, since)
    if (this.#clock.monotonic() - since < SUSPECT_MS) return false
    this.#suspects.delete(sequence)
    return this.#supersede(version, grant)
  }

  async #supersede(version: Version, grant: StoredGrant | undefined): Promise<boolean> {
    // From here on nobody else can grant it, or extend its lease.
    const fence = await this.#store.grant(version.sequence, { leaseMs: 0, over: true }, grant?.sequence ?? 0)
    if (fence === undefined) return false
    const attempts = version.record.attempts + (grant ? 1 : 0)
    await this.#store.supersede(version, successorOf(version, { kind: 'ready', attempts, readyAt: readyAtOf(version) }))
    await this.#store.remove(version.sequence)
    this.#store.retire(fence)
    return true
  }
}
