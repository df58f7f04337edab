/** What the queue's side and the database's thread say to each other. Everything here can be cloned between threads. */

import type { ErrorCode } from '../../errors.ts'
import type { TaskId } from '../../task.ts'
import type {
  Bounds,
  Claim,
  ClaimRef,
  ClaimRequest,
  DeadPage,
  Depth,
  ExtendResult,
  FoundTask,
  NewTask,
  Newcomer,
  PushResult,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import type { Step } from '../../flow/shared-steps.ts'
import type { Applied } from '../shared-state.ts'

export type Durability = 'full' | 'normal'

/** One part of a redrive or drop of many dead letters. */
export interface DeadPart {
  readonly which: readonly TaskId[] | 'all'
  /** Of `all`: so many at a time. */
  readonly limit: number
  /** Of `all`: only those that died until then, by queue time. Default: now. */
  readonly until?: number
}

export interface DeadPartDone {
  readonly count: number
  readonly until: number
}

/** What of a claim the file has to know. */
export type AskedFor = Pick<ClaimRequest, 'max' | 'leaseMs' | 'perKey'>

export interface Granted {
  /** For each request, in order. */
  readonly grants: Claim[][]
  /** When the next task falls due or its key's rate allows it, by the caller's monotonic clock; undefined if none waits so. */
  readonly nextDue: number | undefined
}

/** What a settlement is answered with. */
export interface Settled {
  readonly results: SettleResult[]
  /** Whether a task that waited for one of these, or for room at its key's limit, can go on. */
  readonly unblocked: boolean
}

/** Each operation's input and output, by its name. */
export interface Operations {
  push: { in: { readonly tasks: readonly NewTask[]; readonly bounds: Bounds }; out: PushResult[] }
  claim: { in: { readonly requests: readonly AskedFor[] }; out: Granted }
  settle: { in: { readonly settlements: readonly Settlement[] }; out: Settled }
  extend: { in: { readonly claims: readonly ClaimRef[]; readonly leaseMs: number }; out: ExtendResult[] }
  depth: { in: { readonly newcomer?: Newcomer }; out: Depth }
  find: { in: { readonly ids: readonly TaskId[] }; out: (FoundTask | undefined)[] }
  listDead: { in: { readonly limit: number; readonly after?: string }; out: DeadPage }
  redrive: { in: DeadPart; out: DeadPartDone }
  drop: { in: DeadPart; out: DeadPartDone }
  apply: { in: { readonly cell: string; readonly step: Step }; out: Applied<Step> }
}

export type OperationName = keyof Operations

export type Operation = { [Name in OperationName]: { readonly name: Name } & Operations[Name]['in'] }[OperationName]

/** What a clock showed. */
export interface ClockReading {
  /** Names the origin of `monotonic`. */
  readonly origin: string
  readonly monotonic: number
  readonly now: number
}

export interface Request {
  readonly number: number
  readonly queue: string
  readonly operation: Operation
  /** Of a clock that the thread can't read itself. Default: the thread reads the system's. */
  readonly at?: ClockReading
}

export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
}

export type Reply =
  | { readonly number: number; readonly result: unknown }
  | { readonly number: number; readonly error: PlainError }

export type ToThread = { readonly request: Request } | { readonly durability: 'full' } | { readonly close: true }

export type FromThread =
  /** The file is open, or why it isn't; then the thread ends. */
  | { readonly opened: PlainError | true }
  | { readonly replies: readonly Reply[] }
  /** Another process changed the file since the last claim that found too little. */
  | { readonly changed: true }

/** What the thread is started with. */
export interface ThreadData {
  readonly path: string
  readonly durability: Durability
  /** How long it waits for a lock that another process holds, milliseconds. */
  readonly lockWaitMs: number
}
