/** Stores new tasks, so many in a script that no other client of the server waits long for it. */

import { createHash } from 'node:crypto'
import { isPlain } from '../plain-task.ts'
import type { Bounds, NewTask, PushResult } from '../queue-service.ts'
import { type Argument, type RunScript, script, toMicros } from './script.ts'
import { PUSH_FRESH_SCRIPT } from './scripts/push-fresh-script.ts'
import { PUSH_SCRIPT } from './scripts/push-script.ts'
import { bodyOf } from './task-body.ts'

const PUSH = script(PUSH_SCRIPT)
const PUSH_FRESH = script(PUSH_FRESH_SCRIPT)

const TASKS_AT_ONCE = 500
const BYTES_AT_ONCE = 4 * 1024 * 1024

type Reply = readonly [] | readonly [code: number, ...ids: string[]]

export class Pushing {
  readonly #run: RunScript
  /** The last push that takes several scripts: those that come after it wait until it is over, so that all are in order. */
  #long: Promise<unknown> | undefined

  constructor(run: RunScript) {
    this.#run = run
  }

  push(tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
    const part = partFrom(tasks, 0)
    if (!this.#long && part.length === tasks.length) return pushPart(this.#run, part, bounds)
    const done = (this.#long ?? Promise.resolve()).then(() => this.#pushParts(tasks, bounds))
    const over = done.then(noop, noop).then(() => {
      if (this.#long === over) this.#long = undefined
    })
    this.#long = over
    return done
  }

  async #pushParts(tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
    const results: PushResult[] = []
    while (results.length < tasks.length) {
      results.push(...(await pushPart(this.#run, partFrom(tasks, results.length), bounds)))
    }
    return results
  }
}

function noop(): void {}

async function pushPart(run: RunScript, tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
  if (tasks.length === 0) return []
  const { maxDepth = Infinity, maxBytes = Infinity, overflow = 'reject' } = bounds
  const limits = [maxDepth, maxBytes].map((bound) => (bound === Infinity ? -1 : bound))
  if (overflow === 'reject' && tasks.every(isPlain)) {
    const args: Argument[] = limits
    for (const task of tasks) args.push(task.id, bodyOf(task))
    const codes = (await run(PUSH_FRESH, args)) as readonly number[] | 0
    return tasks.map((task, index) => plainResultOf(codes === 0 ? 0 : (codes[index] as number), task))
  }
  const request = JSON.stringify([...limits, overflow, tasks.map(row)])
  const replies = (await run(PUSH, [request, ...tasks.map(bodyOf)])) as readonly Reply[]
  return replies.map((reply, index) => resultOf(reply, tasks[index] as NewTask))
}

/** As many as fit, but at least one. */
function partFrom(tasks: readonly NewTask[], start: number): readonly NewTask[] {
  let end = start
  for (let bytes = 0; end < tasks.length && end - start < TASKS_AT_ONCE; end++) {
    bytes += (tasks[end] as NewTask).payload.length
    if (bytes > BYTES_AT_ONCE && end > start) break
  }
  return start === 0 && end === tasks.length ? tasks : tasks.slice(start, end)
}

/** As the script reads it. */
function row(task: NewTask): (string | number)[] {
  const { id, payload, priority, delayMs, ttlMs, cost = 1, key = '', ordered, weight = 0, dedup } = task
  const spans = [toMicros(delayMs), ttlMs === undefined ? 0 : toMicros(ttlMs)]
  const fields = [id, Buffer.byteLength(payload), priority, ...spans, cost, key, ordered ? 1 : 0, weight]
  return dedup ? [...fields, dedup.id, printOf(task), toMicros(dedup.windowMs)] : fields
}

function plainResultOf(code: number, { id }: NewTask): PushResult {
  if (code === 0) return { status: 'accepted', id }
  if (code === 1) return { status: 'duplicate', id }
  return { status: 'full', bound: code === 2 ? 'depth' : 'bytes' }
}

function resultOf([code, ...ids]: Reply, { id }: NewTask): PushResult {
  switch (code) {
    case 4:
      return { status: 'accepted', id, dropped: ids }
    case undefined:
      return { status: 'accepted', id }
    case 0:
      return { status: 'duplicate', id: ids[0] as string }
    case 1:
      return { status: 'conflict', id: ids[0] as string }
    default:
      return { status: 'full', bound: code === 2 ? 'depth' : 'bytes' }
  }
}

/** Tells one task's type and payload from another's. */
function printOf({ type, payload }: NewTask): string {
  return createHash('sha256').update(JSON.stringify(type)).update(payload).digest('base64url')
}
