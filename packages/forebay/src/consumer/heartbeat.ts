/**
 * Heartbeat: keeps the leases of running attempts alive, all of them in one call, three times a lease.
 *
 * A lease that the backend says is lost, or that ended because the backend could not be reached in time, is reported once;
 * its attempt is then aborted by its owner.
 */

import type { ClaimRef, QueueService } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'

/** One grant of a task, kept alive. Its token may change with each extension; settle with the present one. */
export interface Lease {
  claim: ClaimRef
  /** By the monotonic clock, counted from before the request, so never later than the backend's own reckoning. */
  endsAt: number
  lost: boolean
}

export interface HeartbeatListener {
  onLost(lease: Lease): void
  onError(error: ForebayError, retryInMs: number): void
}

const BEATS_PER_LEASE = 3

export class Heartbeat {
  readonly #service: QueueService
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #listener: HeartbeatListener
  readonly #leases = new Set<Lease>()
  #cancel: CancelTimer | undefined

  constructor(service: QueueService, clock: Clock, leaseMs: number, listener: HeartbeatListener) {
    this.#service = service
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#listener = listener
  }

  /** Begins to keep a lease alive until `drop`. */
  keep(lease: Lease): void {
    this.#leases.add(lease)
    this.#cancel ??= this.#beatLater()
  }

  drop(lease: Lease): void {
    this.#leases.delete(lease)
    if (this.#leases.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Prolongs these leases now, to `leaseMs` from now. Rejects if the backend could not be asked. */
  async extend(leases: readonly Lease[], leaseMs: number): Promise<void> {
    const asked = this.#clock.monotonic()
    const results = await this.#service.extend(
      leases.map(({ claim }) => claim),
      leaseMs,
    )
    leases.forEach((lease, index) => {
      const result = results[index]
      if (result?.status === 'extended') {
        lease.claim = { id: lease.claim.id, token: result.token }
        lease.endsAt = asked + leaseMs
      } else this.#lose(lease)
    })
  }

  #beatLater(): CancelTimer {
    return this.#clock.after(this.#leaseMs / BEATS_PER_LEASE, () => this.#beat(), { background: true })
  }

  async #beat(): Promise<void> {
    // An attempt that asked for a longer lease than the usual one keeps it until less than the usual one is left.
    const soon = this.#clock.monotonic() + this.#leaseMs
    const due = [...this.#leases].filter((lease) => lease.endsAt <= soon)
    try {
      if (due.length > 0) await this.extend(due, this.#leaseMs)
    } catch (thrown) {
      this.#listener.onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), this.#leaseMs / BEATS_PER_LEASE)
      const now = this.#clock.monotonic()
      for (const lease of due) if (lease.endsAt <= now) this.#lose(lease)
    }
    this.#cancel = this.#leases.size > 0 ? this.#beatLater() : undefined
  }

  #lose(lease: Lease): void {
    // A lease that was settled while the beat was under way is no longer ours to lose.
    if (!this.#leases.delete(lease)) return
    lease.lost = true
    this.#listener.onLost(lease)
  }
}
