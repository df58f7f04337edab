/** What is asked of each queue: take jobs from many producers at once, and drain them. */

export interface Contestant {
  /** Adds one job; resolves when it is stored. */
  add(number: number): Promise<void>
  /** Adds many, in the quickest way that it has. */
  fill(count: number): Promise<void>
  /** Works on jobs, so many at once, until `count` are done; the work itself is nothing. */
  drain(count: number, concurrency: number): Promise<void>
  close(): Promise<void>
}

export type Engine = 'redis' | 'postgres'

export interface Entry {
  readonly name: string
  readonly what: string
  readonly engine: Engine
  /** The module whose export `open` makes the contestant from the engine's URL. */
  readonly module: string
}

export const ENTRIES: readonly Entry[] = [
  { name: 'forebay-redis', what: 'Forebay, redis:', engine: 'redis', module: './forebay.ts' },
  { name: 'bullmq', what: 'BullMQ 6.7.0', engine: 'redis', module: './contestants/bullmq.ts' },
  { name: 'forebay-postgres', what: 'Forebay, postgres:', engine: 'postgres', module: './forebay.ts' },
  {
    name: 'graphile-worker',
    what: 'graphile-worker 0.18.0, defaults',
    engine: 'postgres',
    module: './contestants/graphile-worker.ts',
  },
  {
    name: 'graphile-worker-batched',
    what: 'graphile-worker 0.18.0, local queue of 500, batched completion',
    engine: 'postgres',
    module: './contestants/graphile-worker-batched.ts',
  },
  {
    name: 'pg-boss',
    what: 'pg-boss 12.38.0, batches of 100 without a pause',
    engine: 'postgres',
    module: './contestants/pg-boss.ts',
  },
]

/** Calls `done` for each job; resolves when so many were. */
export class Tally {
  readonly #count: number
  #done = 0
  readonly reached: Promise<void>
  #resolve: () => void = () => {}

  constructor(count: number) {
    this.#count = count
    this.reached = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  done(): void {
    this.#done++
    if (this.#done === this.#count) this.#resolve()
  }
}
