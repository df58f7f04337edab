/** What the gateway sends at `/v1/live`, as far as the page reads it. */

export interface FlowCounts {
  readonly offered: number
  readonly accepted: number
  readonly refused: number
  readonly spilled: number
  readonly started: number
  readonly completed: number
  readonly retried: number
  readonly dead: number
  readonly expired: number
  readonly dropped: number
}

export type QueueState = 'running' | 'paused' | 'stopping' | 'stopped'

export type FlowBound = 'paused' | 'breaker' | 'hold' | 'rate' | 'quota' | 'concurrency'

export interface QueueFigures {
  readonly name: string
  readonly state: QueueState
  /** Why nothing starts although it runs. */
  readonly standsStill: { readonly reason: string; readonly until: number | null } | null
  readonly depth: Readonly<Record<'ready' | 'delayed' | 'inFlight' | 'dead', number>> | null
  readonly oldestReadyAgeMs: number | null
  readonly perSecond: FlowCounts
  readonly totals: FlowCounts
  readonly limit: { readonly ratePerSecond: number | null; readonly concurrency: number }
  /** What the flow can do now, and what bounds it; `perSecond` is null where nothing is known to. */
  readonly effectiveRate: { readonly perSecond: number | null; readonly boundBy: FlowBound }
}

export interface Sample {
  /** Epoch milliseconds, by the gateway's clock. */
  readonly at: number
  readonly queues: readonly QueueFigures[]
}

export interface History {
  readonly everyMs: number
  readonly samples: readonly Sample[]
}
