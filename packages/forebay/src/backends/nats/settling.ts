/** Settlements: each is one step that only the latest grant can make; the rest is tidying up, which anybody may finish. */

import type { Clock } from '../../clock.ts'
import { asForebayError } from '../../errors.ts'
import type { Settlement, SettleResult } from '../queue-service.ts'
import type { Lease, Leases } from './leases.ts'
import { fromNats } from './nats-errors.ts'
import type { Store } from './store.ts'
import { type Change, successorOf } from './task-record.ts'

const STALE: SettleResult = { status: 'stale' }
const SETTLED: SettleResult = { status: 'settled' }

export class Settling {
  readonly #store: Store
  readonly #leases: Leases
  readonly #clock: Clock

  constructor(store: Store, leases: Leases, clock: Clock) {
    this.#store = store
    this.#leases = leases
    this.#clock = clock
  }

  async settle(settlement: Settlement): Promise<SettleResult> {
    const lease = this.#leases.held(settlement.claim)
    if (!lease || lease.settling) return STALE
    lease.settling = true
    try {
      const settled = await this.#settle(lease, settlement)
      this.#leases.drop(lease)
      return settled ? SETTLED : STALE
    } catch (thrown) {
      return { status: 'failed', error: asForebayError(fromNats(thrown)) }
    } finally {
      lease.settling = false
      this.#leases.watch(lease)
    }
  }

  /** Whether it was still this lease's to settle. */
  async #settle(lease: Lease, settlement: Settlement): Promise<boolean> {
    const { version } = lease
    if (settlement.outcome === 'complete' || settlement.outcome === 'expire') return this.#end(lease, settlement)
    const successor = successorOf(version, changeBy(settlement, version.record.attempts))
    const sequence = await this.#store.supersede(version, successor)
    if (sequence === undefined) return false
    await this.#tidy(lease, () => this.#store.noteNew(sequence, successor))
    return true
  }

  async #end(lease: Lease, settlement: Settlement): Promise<boolean> {
    const { version } = lease
    if (!(await this.#store.remove(version.sequence))) return false
    // An answer that came within the lease: nobody can have found it over. Else somebody may have been faster.
    if (lease.endsAt <= this.#clock.monotonic() && (await this.#store.isSuperseded(version))) return false
    if (settlement.outcome === 'complete' && settlement.keep) {
      await this.#store.results.keep(version.record.id, settlement.keep)
    }
    await this.#tidy(lease)
    return true
  }

  /** It is settled, whether this succeeds or not: what is left over is tidied up by those who come across it. */
  async #tidy(lease: Lease, first?: () => Promise<void>): Promise<void> {
    try {
      await first?.()
      await this.#store.remove(lease.version.sequence)
      await lease.extending
      this.#store.retire(lease.grant)
      await this.#store.finish(lease.ackSubject)
    } catch {
      return
    }
  }
}

/** @param before Attempts before this one. */
function changeBy(settlement: Settlement, before: number): Change {
  switch (settlement.outcome) {
    case 'retry': {
      const { delayMs, failure } = settlement
      return { ...later(delayMs), attempts: before + 1, failure }
    }
    case 'dead': {
      const { reason, failure } = settlement
      return { kind: 'dead', attempts: before + 1, reason, failure }
    }
    case 'release':
      return { ...later(settlement.delayMs), attempts: before }
    default:
      throw new TypeError(`A task does not go on after ${settlement.outcome}.`)
  }
}

function later(delayMs: number): Pick<Change, 'kind' | 'delayMs'> {
  return delayMs > 0 ? { kind: 'delayed', delayMs } : { kind: 'ready' }
}
