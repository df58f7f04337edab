/**
 * The claims of one queue in this process. Those that wait are asked for together and in their order; they are asked for again
 * when something may have changed: work was announced, a task falls due. In between they look by themselves, seldom while
 * announcements are heard, and often while they are not.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { asForebayError } from '../../errors.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest, KeyLimits } from '../queue-service.ts'
import type { Granted } from './claiming.ts'

const HEARING_POLL_MS = 5_000
const DEAF_POLL_MS = 200
/** What is due already, and was not granted, is with somebody at this moment. */
const LEAST_WAIT_MS = 1

/** So many tasks in one answer, at most: bounds its memory. */
const MOST_AT_ONCE = 5_000

const NO_LIMITS: KeyLimits = {}

export interface PostgresClaimsOptions {
  readonly clock: Clock
  /** @param shares How many each of those who wait may have. */
  readonly ask: (shares: readonly number[], leaseMs: number, perKey: KeyLimits) => Promise<Granted>
  /** Whether announcements are heard. */
  readonly isHearing: () => boolean
}

export class PostgresClaims {
  readonly #options: PostgresClaimsOptions
  readonly #line: ClaimLine
  #asking: Promise<void> | undefined
  #askAgain = false
  #ended = false
  #cancelTimer: CancelTimer | undefined

  constructor(options: PostgresClaimsOptions) {
    this.#options = options
    this.#line = new ClaimLine(options.clock)
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#line.join(request, this, (waiter) => {
      waiter.begin()
      this.wake()
    })
  }

  /** There may be something to grant. */
  wake(): void {
    if (this.#asking) this.#askAgain = true
    else if (this.#line.size > 0) this.#asking = this.#askForAll()
  }

  /** Ends the waits; what the server is being asked for is still awaited, and nothing more is asked. */
  async end(): Promise<void> {
    this.#ended = true
    this.#line.end(this)
    this.#cancelTimer?.()
    await this.#asking
  }

  async #askForAll(): Promise<void> {
    do {
      this.#askAgain = false
      await this.#askOnce()
    } while (this.#askAgain)
    this.#asking = undefined
  }

  async #askOnce(): Promise<void> {
    const waiters = [...this.#line]
    if (this.#ended) for (const waiter of waiters) waiter.finish([])
    if (this.#ended || waiters.length === 0) return
    for (const waiter of waiters) waiter.begin()
    let dueInMs = Number.POSITIVE_INFINITY
    for (const alike of groups(waiters)) dueInMs = Math.min(dueInMs, await this.#askFor(alike))
    this.#wakeIn(dueInMs)
  }

  /** Asks for claims that are alike; answers when the next task falls due. */
  async #askFor(waiters: readonly Waiter[]): Promise<number> {
    const shares: number[] = []
    for (let left = MOST_AT_ONCE; left > 0 && shares.length < waiters.length; left -= shares.at(-1) as number) {
      shares.push(Math.min(left, (waiters[shares.length] as Waiter).request.max))
    }
    const { leaseMs, perKey = NO_LIMITS } = (waiters[0] as Waiter).request
    try {
      const { claims, dueInMs } = await this.#options.ask(shares, leaseMs, perKey)
      let at = 0
      for (const [index, waiter] of waiters.entries()) waiter.finish(claims.slice(at, (at += shares[index] ?? 0)))
      // Others took all that one answer holds.
      if (shares.length < waiters.length) this.#askAgain = true
      return dueInMs ?? Number.POSITIVE_INFINITY
    } catch (thrown) {
      for (const waiter of waiters) waiter.fail(asForebayError(thrown))
      return Number.POSITIVE_INFINITY
    }
  }

  #wakeIn(dueInMs: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#line.size === 0) return
    const { clock, isHearing } = this.#options
    const pollMs = isHearing() ? HEARING_POLL_MS : DEAF_POLL_MS
    const fire = () => {
      this.#cancelTimer = undefined
      this.wake()
    }
    this.#cancelTimer = clock.after(Math.max(LEAST_WAIT_MS, Math.min(dueInMs, pollMs)), fire, { background: true })
  }
}

/** Those that can be asked for together, in the order of their first ones. */
function groups(waiters: readonly Waiter[]): Waiter[][] {
  const alike = new Map<string, Waiter[]>()
  for (const waiter of waiters) {
    const { leaseMs, perKey = NO_LIMITS } = waiter.request
    const name = `${leaseMs} ${perKey.concurrency} ${perKey.perSecond}`
    const group = alike.get(name)
    if (group) group.push(waiter)
    else alike.set(name, [waiter])
  }
  return [...alike.values()]
}
