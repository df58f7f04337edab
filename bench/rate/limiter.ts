/** What each limiter must be able to do to be measured: take a standing backlog and start it at a rate. */

export interface Wish {
  readonly perSecond: number
  /** So many tasks stand in the backlog before the first one starts: more than are measured. */
  readonly backlog: number
  /** The port of a Redis server that is ours alone, for those that need one. */
  readonly redisPort: number | undefined
  /** An empty folder, for those that keep a file. */
  readonly folder: string
  /** The task: records that it started, and is done. */
  readonly task: () => void
}

export interface Limiter {
  /** Makes the limiter and its backlog, and lets it run. */
  start(wish: Wish): Promise<void>
}

export interface Candidate {
  readonly name: string
  readonly what: string
  /** The module whose export `limiters[name]` is the limiter. */
  readonly module: string
  readonly needs?: 'packages' | 'redis'
}

const OURS = './forebay.ts'
export const PACER = 'forebay-pacer'

export const CANDIDATES: readonly Candidate[] = [
  { name: PACER, what: 'Forebay, the pacer alone', module: OURS },
  { name: 'forebay-process', what: 'Forebay, memory:, scope process', module: OURS },
  { name: 'forebay-queue', what: 'Forebay, memory:, scope queue', module: OURS },
  { name: 'forebay-sqlite', what: 'Forebay, sqlite:, scope queue', module: OURS },
  { name: 'bullmq', what: 'BullMQ, limiter', module: './peers/bullmq.ts', needs: 'redis' },
  { name: 'p-queue', what: 'p-queue, interval', module: './peers/p-queue.ts', needs: 'packages' },
  { name: 'p-queue-strict', what: 'p-queue, interval, strict', module: './peers/p-queue.ts', needs: 'packages' },
  {
    name: 'bottleneck-reservoir',
    what: 'Bottleneck, reservoir',
    module: './peers/bottleneck.ts',
    needs: 'packages',
  },
  { name: 'bottleneck-mintime', what: 'Bottleneck, minTime', module: './peers/bottleneck.ts', needs: 'packages' },
]
