/** A queue as plainly as it can be written: what every backend is compared with, command by command. */

import type { Bounds, Depth, NewTask, PushResult } from '../backends/queue-service.ts'

export interface ModelTask {
  readonly task: NewTask
  readonly order: number
  pushedAt: number
  /** Whether it is placed by a redrive: then nothing says whether it goes before those that were pushed at that very moment. */
  redriven: boolean
  state: 'waiting' | 'inFlight' | 'dead'
  /** When it becomes ready; in flight: when its lease ends. */
  due: number
  expiresAt: number
  attempts: number
  failures: number
  token: string
  diedAt: number
}

export class ModelQueue {
  now = 0
  readonly tasks = new Map<string, ModelTask>()
  readonly totals = { accepted: 0, completed: 0, expired: 0, dropped: 0 }
  readonly #dedup = new Map<string, { readonly first: NewTask; readonly until: number }>()
  #order = 0

  push(task: NewTask, { maxDepth = Infinity, overflow = 'reject' }: Bounds): PushResult {
    const { id, dedup } = task
    const seen = dedup && this.#dedup.get(dedup.id)
    if (seen && seen.until > this.now) {
      const same = seen.first.type === task.type && seen.first.payload === task.payload
      return { status: same ? 'duplicate' : 'conflict', id: seen.first.id }
    }
    if (this.tasks.has(id)) return { status: 'duplicate', id }
    const dropped = this.#makeRoom(this.live.length + 1 - maxDepth, overflow, task.priority)
    if (!dropped) return { status: 'full', bound: 'depth' }
    if (dedup) this.#dedup.set(dedup.id, { first: task, until: this.now + dedup.windowMs })
    this.totals.accepted++
    this.tasks.set(id, {
      task,
      order: this.#order++,
      pushedAt: this.now,
      redriven: false,
      state: 'waiting',
      due: this.now + task.delayMs,
      expiresAt: this.now + (task.ttlMs ?? Infinity),
      attempts: 0,
      failures: 0,
      token: '',
      diedAt: 0,
    })
    return { status: 'accepted', id, ...(dropped.length > 0 && { dropped }) }
  }

  /** The ids of what gives way so that `excess` places are free; undefined if that can't be. */
  #makeRoom(excess: number, overflow: Bounds['overflow'], priority: number): string[] | undefined {
    if (excess <= 0) return []
    const byAge = this.ready.sort((a, b) => a.order - b.order)
    const candidates =
      overflow === 'drop-oldest'
        ? byAge
        : byAge
            .filter(({ task }) => overflow === 'drop-lowest-priority' && task.priority < priority)
            .sort((a, b) => a.task.priority - b.task.priority || b.order - a.order)
    if (candidates.length < excess) return undefined
    const victims = candidates.slice(0, excess)
    for (const one of victims) this.forget(one, 'dropped')
    return victims.map(({ task }) => task.id)
  }

  /** How many ready tasks may be granted if no key with a line of its own may have more than so many in flight. */
  grantable(concurrency: number): number {
    const lines = new Map<string | undefined, { ready: number; inFlight: number }>()
    for (const one of this.live) {
      const line = lines.get(lineOf(one.task)) ?? { ready: 0, inFlight: 0 }
      lines.set(lineOf(one.task), line)
      if (one.due <= this.now) line.ready++
      else if (one.state === 'inFlight') line.inFlight++
    }
    const room = (key: string | undefined, inFlight: number) =>
      key === undefined ? Infinity : Math.max(0, concurrency - inFlight)
    return [...lines].reduce((sum, [key, { ready, inFlight }]) => sum + Math.min(ready, room(key, inFlight)), 0)
  }

  get live(): ModelTask[] {
    return [...this.tasks.values()].filter(({ state }) => state !== 'dead')
  }

  /** Also those whose lease has ended. */
  get ready(): ModelTask[] {
    return this.live.filter(({ due }) => due <= this.now)
  }

  get dead(): ModelTask[] {
    return [...this.tasks.values()].filter(({ state }) => state === 'dead')
  }

  /** The task whose lease this is and lasts. */
  held(id: string, token: string): ModelTask | undefined {
    const one = this.tasks.get(id)
    return one?.state === 'inFlight' && one.token === token && one.due > this.now ? one : undefined
  }

  stateOf(one: ModelTask): 'ready' | 'delayed' | 'inFlight' | 'dead' {
    if (one.state === 'dead') return 'dead'
    if (one.due <= this.now) return 'ready'
    return one.state === 'inFlight' ? 'inFlight' : 'delayed'
  }

  die(one: ModelTask): void {
    one.state = 'dead'
    one.diedAt = this.now
  }

  redrive(one: ModelTask): void {
    Object.assign(one, { state: 'waiting', due: this.now, pushedAt: this.now, redriven: true, attempts: 0 })
    one.expiresAt = this.now + (one.task.ttlMs ?? Infinity)
  }

  forget(one: ModelTask, counted: 'completed' | 'expired' | 'dropped'): void {
    this.tasks.delete(one.task.id)
    this.totals[counted]++
  }

  get depth(): Depth {
    const count = { ready: 0, delayed: 0, inFlight: 0, dead: 0 }
    for (const one of this.tasks.values()) count[this.stateOf(one)]++
    return {
      ...count,
      oldestReadyAgeMs: Math.max(0, ...this.ready.map(({ due }) => this.now - due)),
      bytes: this.live.reduce((sum, { task }) => sum + Buffer.byteLength(task.payload), 0),
      totals: { ...this.totals },
    }
  }
}

/** The key whose own line a task stands in; undefined: the common line. */
export function lineOf({ key, weight }: NewTask): string | undefined {
  return weight === undefined ? undefined : key
}
