/**
 * What the conformance suite needs of a backend, and what its checks are made of. Nothing here knows a test runner:
 * a check is a name and a function that throws.
 */

import assert from 'node:assert/strict'
import type { Capabilities, Claim, ClaimRequest, NewTask, QueueService, Settlement } from '../backends/queue-service.ts'
import type { FailedAttempt } from '../task.ts'

export interface ConformanceTarget {
  /** Opens the queue of that name; the same name again is the same queue, as another process would open it. */
  open(queueName: string): Promise<QueueService>
  /** Lets time pass: a virtual clock is advanced, a real server is waited for. */
  elapse(ms: number): Promise<void>
  /** No check takes more tasks than so many, for an engine that is slow to take each. Default: as many as the check says. */
  readonly most?: number
  /** Whether time passes only in `elapse`, so that what takes how long can be told exactly. */
  readonly exactTime: boolean
}

export interface Check {
  readonly name: string
  /** Why a backend with these capabilities does not have to pass; undefined if it has to. */
  readonly skip?: (capabilities: Capabilities, target: ConformanceTarget) => string | undefined
  run(scene: Scene): Promise<void>
}

export interface Topic {
  readonly name: string
  readonly checks: readonly Check[]
}

let scenes = 0

/** One queue of its own, for one check. */
export class Scene {
  readonly target: ConformanceTarget
  readonly queueName: string
  readonly queue: QueueService
  readonly #opened: QueueService[]
  #tasks = 0

  private constructor(target: ConformanceTarget, queueName: string, queue: QueueService) {
    this.target = target
    this.queueName = queueName
    this.queue = queue
    this.#opened = [queue]
  }

  static async set(target: ConformanceTarget): Promise<Scene> {
    const queueName = `conformance-${process.pid}-${++scenes}`
    return new Scene(target, queueName, await target.open(queueName))
  }

  /** The same queue once more, as another process would open it. */
  async openAgain(): Promise<QueueService> {
    const queue = await this.target.open(this.queueName)
    this.#opened.push(queue)
    return queue
  }

  elapse(ms: number): Promise<void> {
    return this.target.elapse(ms)
  }

  /** So many tasks, or as many as the target takes. */
  many(count: number): number {
    return Math.min(count, this.target.most ?? count)
  }

  /** What came, in the order of its coming; where the engine keeps order only about, in the order that was expected. */
  ordered(came: readonly string[], expected: readonly string[]): string[] {
    if (this.queue.capabilities.order !== 'about') return [...came]
    const place = new Map(expected.map((id, index) => [id, index]))
    return came.toSorted((a, b) => (place.get(a) ?? Infinity) - (place.get(b) ?? Infinity))
  }

  /** A task with an id of its own. */
  task(fields: Partial<NewTask> = {}): NewTask {
    return { id: `t${++this.#tasks}`, type: 'charge', payload: '{"order":42}', priority: 0, delayMs: 0, ...fields }
  }

  /** Pushes tasks that must be accepted; answers their ids. */
  async push(...fields: Partial<NewTask>[]): Promise<string[]> {
    const tasks = fields.map((some) => this.task(some))
    const results = await this.queue.push(tasks)
    for (const { status } of results) assert.equal(status, 'accepted')
    return tasks.map(({ id }) => id)
  }

  /** Claims without waiting. */
  claim(max = 100, request: Partial<ClaimRequest> = {}): Promise<Claim[]> {
    return this.queue.claim({ max, leaseMs: 60_000, waitMs: 0, ...request })
  }

  /** Claims the one task that must be ready. */
  async claimOne(request: Partial<ClaimRequest> = {}): Promise<Claim> {
    const claims = await this.claim(2, request)
    assert.equal(claims.length, 1, `one task was to be ready, ${claims.length} were`)
    return claims[0] as Claim
  }

  /** Settles one claim; answers its status. */
  async settle(claim: Pick<Claim, 'id' | 'token'>, how: HowSettled): Promise<string> {
    const [result] = await this.queue.settle([{ claim, ...how } as Settlement])
    assert.ok(result)
    return result.status
  }

  async close(): Promise<void> {
    for (const queue of this.#opened) await queue.close()
  }
}

type Without<Union> = Union extends unknown ? Omit<Union, 'claim'> : never
export type HowSettled = Without<Settlement>

export function failure(attempt: number, message = 'it did not work'): FailedAttempt {
  return { attempt, at: 1_767_225_600_000, code: 'TypeError', message }
}

export function ids(claims: readonly { readonly id: string }[]): string[] {
  return claims.map(({ id }) => id)
}

/** Runs a check on a scene of its own; answers why it was skipped, if it was. */
export async function runCheck(check: Check, target: ConformanceTarget): Promise<string | undefined> {
  const scene = await Scene.set(target)
  try {
    const reason = check.skip?.(scene.queue.capabilities, target)
    if (reason === undefined) await check.run(scene)
    return reason
  } finally {
    await scene.close()
  }
}
