/** How many attempts a consumer runs at once: a fixed number, or a limit that learns from each attempt. */

import { AdaptiveLimit } from '../flow/adaptive-limit.ts'
import { AimdLimit } from '../flow/aimd-limit.ts'
import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange } from '../flow/concurrency-limit.ts'
import type { Ending } from './ending.ts'

export interface LearningOptions {
  /** At least so many at once. Default 1. */
  readonly min?: number
  /** At most so many at once; at most 10,000. */
  readonly max: number
  /** Where it begins. Default 10, within the bounds; after a change at run time: what was in force. */
  readonly initial?: number
  /** Keeps the limit that is in force, and learns nothing. Default false. */
  readonly freeze?: boolean
  /**
   * Says what it would do, by `limit` events, and keeps the limit that is in force. Default false. What it would measure at
   * a lower limit it can't, so it tells the direction rather than the figure.
   */
  readonly dryRun?: boolean
}

export interface LearningConcurrency extends LearningOptions {
  readonly kind: 'aimd' | 'adaptive'
}

/** A limit that grows by one a round trip and falls by a tenth at failures: for a downstream that refuses rather than queues. */
export function aimd(options: LearningOptions): LearningConcurrency {
  return { ...options, kind: 'aimd' }
}

/** A limit that finds what the downstream can run at once, from latency, failures, and requests for quiet. */
export function adaptive(options: LearningOptions): LearningConcurrency {
  return { ...options, kind: 'adaptive' }
}

/** A change of the limit; with `dryRun` the limit in force stays what it was. */
export interface LimitEvent extends LimitChange {
  readonly dryRun: boolean
}

export interface ConcurrencySettings {
  /** A fixed limit, or the greatest of one that learns. */
  readonly concurrency: number
  readonly learning: LearningConcurrency | undefined
}

const DEFAULT_INITIAL = 10

export class Concurrency {
  readonly #chance: () => number
  readonly #onChange: (event: LimitEvent) => void
  #settings: ConcurrencySettings
  #learner: ConcurrencyLimit | undefined
  #inForce: number

  constructor(settings: ConcurrencySettings, chance: () => number, onChange: (event: LimitEvent) => void) {
    this.#chance = chance
    this.#onChange = onChange
    this.#settings = settings
    const { concurrency, learning } = settings
    this.#inForce = learning ? within(boundsOf(learning), learning.initial ?? DEFAULT_INITIAL) : concurrency
    this.#learner = this.#newLearner()
  }

  get limit(): number {
    return this.#inForce
  }

  /** Nothing more may start before this time; -Infinity: at once. */
  get nextStartAt(): number {
    return this.#rules ? (this.#learner?.nextStartAt ?? Number.NEGATIVE_INFINITY) : Number.NEGATIVE_INFINITY
  }

  /** How many may start until then, as far as a pace bounds them. */
  startsUntil(until: number, now: number): number {
    return this.#rules ? (this.#learner?.startsUntil(until, now) ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
  }

  /** The starts per second that a quota was found to allow; Infinity where none is known, or does not rule. */
  pacePerSecond(now: number): number {
    return this.#rules ? (this.#learner?.pacePerSecond(now) ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
  }

  started(at: number): void {
    this.#learner?.started(at)
  }

  ended(sample: AttemptSample): void {
    const { learning } = this.#settings
    const change = this.#learner?.ended(sample)
    if (!learning || !change) return
    if (this.#rules) this.#inForce = change.limit
    this.#onChange({ ...change, dryRun: !this.#rules })
  }

  /** Other settings: it learns anew, from the limit in force on. */
  change(settings: ConcurrencySettings): void {
    const before = this.#settings
    if (before.learning === settings.learning && before.concurrency === settings.concurrency) return
    this.#settings = settings
    const previous = this.#inForce
    const { concurrency, learning } = settings
    this.#inForce = learning ? within(boundsOf(learning), learning.initial ?? previous) : concurrency
    this.#learner = this.#newLearner()
    if (this.#inForce !== previous) {
      this.#onChange({ limit: this.#inForce, previous, reason: 'settings', dryRun: false })
    }
  }

  /** Whether what is learned is in force. */
  get #rules(): boolean {
    return this.#settings.learning?.dryRun !== true
  }

  #newLearner(): ConcurrencyLimit | undefined {
    const { learning } = this.#settings
    if (!learning || learning.freeze) return undefined
    const bounds = boundsOf(learning)
    return learning.kind === 'aimd'
      ? new AimdLimit(bounds, this.#inForce)
      : new AdaptiveLimit(bounds, this.#inForce, this.#chance)
  }
}

/** What an attempt at several tasks says: one that was answered well shows that the downstream works. */
export function verdictOfAll(endings: readonly Ending[]): AttemptSample['result'] {
  if (endings.length === 1) return verdictOf(endings[0] as Ending)
  const verdicts = new Set(endings.map(verdictOf))
  return (['refused', 'ok', 'failed', 'unknown'] as const).find((verdict) => verdicts.has(verdict)) ?? 'unknown'
}

/** What an ending says about the downstream: a task that the handler refused, or gave back, is not the downstream's fault. */
function verdictOf(ending: Ending): AttemptSample['result'] {
  if (ending.holdMs) return 'refused'
  if (ending.outcome === 'retry' || (ending.outcome === 'dead' && ending.reason === 'attempts-exhausted'))
    return 'failed'
  return ending.outcome === 'complete' || (ending.outcome === 'dead' && ending.reason === 'refused') ? 'ok' : 'unknown'
}

function boundsOf({ min = 1, max }: LearningOptions): LimitBounds {
  return { min, max }
}

function within({ min, max }: LimitBounds, value: number): number {
  return Math.min(Math.max(value, min), max)
}
