/**
 * Workers that run and workers that were asked for and have yet to start: how much work they get done by when.
 *
 *     work(d) = ready d + sum over the starting of max(0, d - until ready)         ms of work within d ms
 *
 * Who goes first when there are fewer: what starts last, then what runs. A worker that is late to start is taken to start within
 * half a control period. Units: ms.
 */

interface Starting {
  readyAtMs: number
  workers: number
}

export class StartingWorkers {
  #ready = 0
  #starting: Starting[] = []

  get total(): number {
    return this.#ready + this.starting
  }

  get ready(): number {
    return this.#ready
  }

  get starting(): number {
    return this.#starting.reduce((sum, { workers }) => sum + workers, 0)
  }

  /** Time has passed: who was to be ready by now is taken to be. */
  passed(nowMs: number): void {
    for (const { readyAtMs, workers } of this.#starting) if (readyAtMs <= nowMs) this.#ready += workers
    this.#starting = this.#starting.filter(({ readyAtMs }) => readyAtMs > nowMs)
  }

  /** What was really seen wins over what was expected. */
  seen(ready: number, starting: number, nowMs: number, lateMs: number): void {
    this.#ready = ready
    const surplus = this.starting - starting
    if (surplus < 0) this.#starting.unshift({ readyAtMs: nowMs + lateMs, workers: -surplus })
    // More were expected than are there: the first of them have become ready.
    else this.#drop(surplus, 'first')
  }

  add(workers: number, readyAtMs: number): void {
    if (workers > 0) this.#starting.push({ readyAtMs, workers })
  }

  remove(workers: number): void {
    this.#ready -= this.#drop(workers, 'last')
  }

  /** The work that they do within a span, ms; with `fewer` workers less. */
  workMs(spanMs: number, nowMs: number, fewer = 0): number {
    let gone = fewer
    let work = 0
    for (let index = this.#starting.length - 1; index >= 0; index--) {
      const { readyAtMs, workers } = this.#starting[index] as Starting
      const stay = Math.max(0, workers - gone)
      gone -= workers - stay
      work += stay * Math.max(0, spanMs - (readyAtMs - nowMs))
    }
    return work + Math.max(0, this.#ready - gone) * spanMs
  }

  /** @returns How many are still to go. */
  #drop(workers: number, from: 'first' | 'last'): number {
    let gone = workers
    while (gone > 0 && this.#starting.length > 0) {
      const group = this.#starting.at(from === 'last' ? -1 : 0) as Starting
      const going = Math.min(gone, group.workers)
      group.workers -= going
      gone -= going
      if (group.workers === 0) from === 'last' ? this.#starting.pop() : this.#starting.shift()
    }
    return gone
  }
}
