/**
 * Pushes candidates into the queue's own backend, each under the bounds that hold for it now: nearly always one push for
 * all of them, two while a waiting line stands.
 */

import type { Bounds, NewTask, PushResult, QueueService } from '../backends/queue-service.ts'
import { type Candidate, conflict, isNamed, type Outcome } from './candidate.ts'
import { type FullQueue, NOTHING_FITS } from './full-queue.ts'

const FULL: PushResult = { status: 'full', bound: 'depth' }

export class Pusher {
  readonly #service: QueueService
  readonly #full: FullQueue

  constructor(service: QueueService, full: FullQueue) {
    this.#service = service
    this.#full = full
  }

  /**
   * @param isClosed Whether others go in first: then only promised ones have room. Those that their producers named are
   * offered all the same, since they may turn out to be there already.
   */
  push(candidates: readonly Candidate[], isClosed = false): Promise<PushResult[]> {
    // Without bounds there is nothing to tell them apart by.
    if (!this.#full.isBounded) return this.#service.push(candidates.map(({ task }) => task))
    return this.#pushWithinBounds(candidates, isClosed)
  }

  async #pushWithinBounds(candidates: readonly Candidate[], isClosed: boolean): Promise<PushResult[]> {
    const groups = new Map<number | undefined, { readonly bounds: Bounds | undefined; readonly indexes: number[] }>()
    const results = new Array<PushResult>(candidates.length).fill(FULL)
    for (const [index, candidate] of candidates.entries()) {
      const bounds = this.#full.boundsFor(candidate, isClosed)
      if (bounds === NOTHING_FITS && !isNamed(candidate)) continue
      const group = groups.get(bounds?.maxDepth)
      if (group) group.indexes.push(index)
      else groups.set(bounds?.maxDepth, { bounds, indexes: [index] })
    }
    // Who was promised a place goes first.
    const widestFirst = [...groups].sort(([a = 0], [b = 0]) => b - a)
    for (const [, { bounds, indexes }] of widestFirst) {
      const tasks = indexes.map((index) => (candidates[index] as Candidate).task)
      const pushed = await this.#service.push(tasks, bounds)
      indexes.forEach((index, position) => {
        results[index] = pushed[position] as PushResult
      })
    }
    return results
  }

  /** Of one that its producer named: what it turns out to be if it is there already. Nothing is stored. */
  async outcomeOfNamed(candidate: Candidate): Promise<Outcome | undefined> {
    if (!isNamed(candidate)) return undefined
    const [result = FULL] = await this.#service.push([candidate.task], NOTHING_FITS)
    return this.outcomeOf(candidate, result)
  }

  /** Within the whole bounds, for tasks whose turn it is. */
  pushInTurn(tasks: readonly NewTask[]): Promise<PushResult[]> {
    return this.#service.push(tasks, this.#full.bounds)
  }

  /** Within the whole bounds, as part of the caller's own transaction. */
  pushWithin(tasks: readonly NewTask[], transaction: unknown): Promise<PushResult[]> {
    return this.#service.push(tasks, this.#full.bounds, transaction)
  }

  /**
   * The candidates in runs of which one may be full and the next one not, without harm: where a smaller task may pass a larger
   * one at the bound in bytes, an ordered one must not pass that of its key, so it begins a run of its own.
   */
  inRuns(candidates: readonly Candidate[]): Candidate[][] {
    const runs: Candidate[][] = []
    for (const candidate of candidates) {
      const begins = candidate.task.ordered && this.#full.bounds.maxBytes !== undefined
      const run = begins ? undefined : runs.at(-1)
      if (run) run.push(candidate)
      else runs.push([candidate])
    }
    return runs
  }

  /** What a push result means for its candidate; undefined if it did not fit. */
  outcomeOf({ task }: Candidate, result: PushResult): Outcome | undefined {
    if (result.status === 'full') return undefined
    return result.status === 'conflict' ? conflict(task.dedup?.id, result.id) : result
  }
}
