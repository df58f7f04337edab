/**
 * Heartbeat: keeps the leases of running attempts alive, all of them in one call, three times a lease.
 *
 * A lease that the backend says is lost, or that ended because the backend could not be reached in time, is reported once;
 * its attempt is then aborted by its owner.
 */

import type { ClaimRef, QueueService } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'

/** One grant of a task. */
export interface Lease {
  /** Its token may change with each extension; settle with the present one. */
  ref: ClaimRef
  /** By the monotonic clock, counted from before the request, so never later than the backend's own reckoning. */
  endsAt: number
  lost: boolean
  /** The attempt's outcome is stored: the lease is not to be kept any longer. */
  over: boolean
}

export interface HeartbeatOptions {
  readonly service: QueueService
  readonly clock: Clock
  readonly leaseMs: number
  /** What is to be kept alive now. */
  readonly leases: () => readonly Lease[]
  readonly onLost: (lease: Lease) => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

const BEATS_PER_LEASE = 3

export class Heartbeat {
  readonly #options: HeartbeatOptions
  #cancel: CancelTimer | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** There is something to be kept alive: it beats until there is nothing any more. */
  begin(): void {
    this.#cancel ??= this.#beatLater()
  }

  /** There is nothing any more. */
  end(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Prolongs these leases now, to `leaseMs` from now. Rejects if the backend could not be asked. */
  async extend(leases: readonly Lease[], leaseMs: number): Promise<void> {
    const { service, clock } = this.#options
    const asked = clock.monotonic()
    const results = await service.extend(
      leases.map(({ ref }) => ref),
      leaseMs,
    )
    leases.forEach((lease, index) => {
      const result = results[index]
      if (result?.status === 'extended') {
        lease.ref = { id: lease.ref.id, token: result.token }
        lease.endsAt = asked + leaseMs
      } else this.#lose(lease)
    })
  }

  #beatLater(): CancelTimer {
    const { clock, leaseMs } = this.#options
    return clock.after(leaseMs / BEATS_PER_LEASE, () => this.#beat(), { background: true })
  }

  async #beat(): Promise<void> {
    const { clock, leaseMs, leases, onError } = this.#options
    const mine = this.#cancel
    // An attempt that asked for a longer lease than the usual one keeps it until less than the usual one is left.
    const soon = clock.monotonic() + leaseMs
    const due = leases().filter((lease) => isOurs(lease) && lease.endsAt <= soon)
    try {
      if (due.length > 0) await this.extend(due, leaseMs)
    } catch (thrown) {
      onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), leaseMs / BEATS_PER_LEASE)
      const now = clock.monotonic()
      for (const lease of due) if (lease.endsAt <= now) this.#lose(lease)
    }
    // It may have been ended meanwhile, and begun anew.
    if (this.#cancel === mine) this.#cancel = leases().length > 0 ? this.#beatLater() : undefined
  }

  #lose(lease: Lease): void {
    // A lease that was settled while the beat was under way is no longer ours to lose.
    if (!isOurs(lease)) return
    lease.lost = true
    this.#options.onLost(lease)
  }
}

function isOurs({ lost, over }: Lease): boolean {
  return !(lost || over)
}
