/**
 * Shared slots: one limit on concurrency over several holders (processes), each of which keeps a lease on its part.
 *
 *     allowed_i = min(want_i, fair, limit - sum of what the others hold)        held_i = max(using_i, allowed_i)
 *     fair      = max-min fairness over the wants: all get up to a level L, with sum of min(want, L) = limit
 *
 * A holder renews its part, tells what it uses and wants, and is told how many it is allowed from then on. It begins nothing
 * while it uses as many or more, so the sum of all never exceeds the limit: a newcomer waits until the others have told that
 * they use less. The part of a holder that died is free when its lease ends. Regimes: room for all (each gets its want), contention (each gets
 * its fair part, once the others have finished what runs beyond theirs). Source of max-min fairness: Bertsekas and Gallager,
 * "Data Networks", 6.5.2. Units: slots; ms by one clock.
 */

export interface Holder {
  readonly want: number
  readonly held: number
  /** When its lease ends. */
  readonly until: number
}

export interface SharedSlots {
  readonly holders: Readonly<Record<string, Holder>>
}

export interface ShareStep {
  readonly kind: 'share'
  /** Unique to one incarnation of one process. */
  readonly holder: string
  /** How many run; at most what it held. 0, and no wants: it leaves. */
  readonly using: number
  /** How many would run if it were allowed, those that run included. */
  readonly want: number
  readonly limit: number
  readonly leaseMs: number
}

export interface Shared {
  /** How many may run until its lease ends; less than run already if some must end first. */
  readonly allowed: number
  /** Whether some holder, this one included, got less than it wants. */
  readonly contended: boolean
}

export function share(slots: SharedSlots | undefined, step: ShareStep, now: number): [SharedSlots, Shared] {
  const { holder, using, want, limit, leaseMs } = step
  const others = Object.entries(slots?.holders ?? {}).filter(([name, { until }]) => name !== holder && until > now)
  const left = limit - others.reduce((sum, [, { held }]) => sum + held, 0)
  // A part of a slot is a whole one for who asks first: else a limit of 3 would leave two holders with 1 each.
  const fair = Math.ceil(fairLevel([want, ...others.map(([, other]) => other.want)], limit))
  const allowed = Math.max(0, Math.min(want, fair, left))
  const held = Math.max(using, allowed)
  const holders: Record<string, Holder> = Object.fromEntries(others)
  if (held > 0 || want > 0) holders[holder] = { want, held, until: now + leaseMs }
  const contended = allowed < want || others.some(([, other]) => other.held < other.want)
  return [{ holders }, { allowed, contended }]
}

/** The level L up to which every want can be met; Infinity if all can be met whole. */
export function fairLevel(wants: readonly number[], limit: number): number {
  const ascending = [...wants].sort((a, b) => a - b)
  let left = limit
  for (const [index, want] of ascending.entries()) {
    const level = left / (ascending.length - index)
    if (want > level) return level
    left -= want
  }
  return Number.POSITIVE_INFINITY
}
