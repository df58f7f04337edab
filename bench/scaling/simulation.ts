/**
 * Tasks, a queue and workers that start late, task by task: first come, first served; each worker serves one task at a time. Workers are
 * counted, and asked for or let go, at control instants. One that is asked for is billed at once and serves after its start-up; one that
 * is let go finishes its task, billed until then. Those that have not started go first, then idle ones. Seconds.
 */

import type { Load } from './loads.ts'

export interface Setup {
  readonly startUp: number
  readonly control: number
  /** The longest wait in time. */
  readonly slo: number
}

export interface Seen {
  readonly at: number
  /** Since the control instant before. */
  readonly arrived: number
  readonly backlog: number
  readonly oldestAge: number
  readonly ready: number
  readonly starting: number
  /** Mean of those served so far; undefined before the first. */
  readonly service: number | undefined
  /** Its standard deviation. */
  readonly deviation: number
}

/** @returns How many workers there should be. */
export type Policy = (seen: Seen) => number

export interface Run {
  /** The wait of each task, in the order in which they came. */
  readonly waits: Float32Array
  /** Billed worker-seconds. */
  readonly billed: number
  readonly startUps: number
  /** The most workers that there were at once. */
  readonly mostWorkers: number
}

export function simulate(load: Load, policy: Policy, { startUp, control }: Setup, first = 1): Run {
  const { at, service } = load
  const waits = new Float32Array(at.length)
  const workers = new Workers(first)
  let [billed, startUps, mostWorkers, served, arrived, servedFor, squares] = [0, 0, first, 0, 0, 0, 0]
  let lastEnd = 0
  for (let now = control; served < at.length; now += control) {
    const from = served
    while (served < at.length) {
      const start = Math.max(at[served] as number, workers.readyBefore(now, at[served] as number))
      if (start >= now) break
      const length = service(served)
      waits[served++] = start - (at[served - 1] as number)
      servedFor += length
      squares += length * length
      lastEnd = Math.max(lastEnd, start + length)
      workers.serve(start + length)
    }
    workers.readyBefore(now, now)
    const before = arrived
    while (arrived < at.length && (at[arrived] as number) <= now) arrived++
    billed += workers.count * control
    if (served === at.length && from < served) break
    const backlog = arrived - served
    const wanted = policy({
      at: now,
      arrived: arrived - before,
      backlog,
      oldestAge: backlog > 0 ? now - (at[served] as number) : 0,
      ready: workers.ready,
      starting: workers.starting,
      service: served > 0 ? servedFor / served : undefined,
      deviation: Math.sqrt(Math.max(0, squares / served - (servedFor / served) ** 2) || 0),
    })
    startUps += Math.max(0, wanted - workers.count)
    billed += workers.become(wanted, now, startUp)
    mostWorkers = Math.max(mostWorkers, workers.count)
  }
  return { waits, billed, startUps, mostWorkers }
}

/** A heap of the times at which workers are free, and those that start. */
class Workers {
  readonly #free: number[]
  #starts: { readonly at: number; count: number }[] = []

  constructor(first: number) {
    this.#free = Array.from({ length: first }, () => 0)
  }

  get ready(): number {
    return this.#free.length
  }

  get starting(): number {
    return this.#starts.reduce((sum, { count }) => sum + count, 0)
  }

  get count(): number {
    return this.ready + this.starting
  }

  /** When the next task can begin, after those that start until then have joined; Infinity: not before `end`. */
  readyBefore(end: number, wish: number): number {
    for (;;) {
      const next = this.#starts[0]
      const free = this.#free[0] ?? Number.POSITIVE_INFINITY
      if (!next || next.at > end || next.at > Math.max(free, wish)) return free
      this.#starts.shift()
      for (let count = 0; count < next.count; count++) this.#push(next.at)
    }
  }

  /** The worker that is free first serves until then. */
  serve(until: number): void {
    this.#free[0] = until
    this.#sink()
  }

  /** @returns What is still billed of those that were let go. */
  become(wanted: number, now: number, startUp: number): number {
    if (wanted > this.count) this.#starts.push({ at: now + startUp, count: wanted - this.count })
    let owed = 0
    while (this.count > wanted) {
      const last = this.#starts.at(-1)
      if (last) {
        last.count--
        if (last.count === 0) this.#starts.pop()
        continue
      }
      owed += Math.max(0, (this.#free[0] as number) - now)
      const moved = this.#free.pop() as number
      if (this.#free.length > 0) {
        this.#free[0] = moved
        this.#sink()
      }
    }
    return owed
  }

  #push(at: number): void {
    const heap = this.#free
    let place = heap.length
    while (place > 0) {
      const parent = (place - 1) >> 1
      if ((heap[parent] as number) <= at) break
      heap[place] = heap[parent] as number
      place = parent
    }
    heap[place] = at
  }

  #sink(): void {
    const heap = this.#free
    const value = heap[0] as number
    let place = 0
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++
      if ((heap[child] as number) >= value) break
      heap[place] = heap[child] as number
      place = child
    }
    heap[place] = value
  }
}
