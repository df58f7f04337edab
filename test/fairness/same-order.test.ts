/**
 * The two engines that keep lines as data do the same, command by command: the same grants in the same order, the same tasks
 * give way, the same place is told to a newcomer. And what the file counts is what a count of its rows gives.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { MemoryStore } from '../../packages/forebay/src/backends/memory/memory-store.ts'
import type { Bounds, Claim, Depth, NewTask, Settlement } from '../../packages/forebay/src/backends/queue-service.ts'
import type { Granted, Operation, Settled } from '../../packages/forebay/src/backends/sqlite/operations.ts'
import { prepareFile } from '../../packages/forebay/src/backends/sqlite/schema.ts'
import { Store } from '../../packages/forebay/src/backends/sqlite/store.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { commandOf, span } from './commands.ts'

const folder = mkdtempSync(join(tmpdir(), 'forebay-fairness-'))
const path = join(folder, 'queue.db')
const db = new Database(path)
prepareFile(db, path, 'normal')
const store = new Store(db)

afterAll(() => {
  db.close()
  rmSync(folder, { recursive: true })
})

const task = fc.record({
  key: fc.option(fc.nat(4), { freq: 4 }),
  weight: fc.constantFrom(undefined, 1, 1, 2, 0.5),
  cost: fc.constantFrom(1, 1, 3),
  priority: fc.constantFrom(0, 0, 1, -1),
  ordered: fc.boolean(),
  body: fc.nat(3),
  delayMs: span,
})
const command = commandOf(task)
type TaskSpec = typeof task extends fc.Arbitrary<infer Value> ? Value : never
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never

let cases = 0

/** Both engines under one clock. */
class Pair {
  readonly #clock = new VirtualClock()
  readonly #memory = new MemoryStore(this.#clock)
  readonly #name = `case ${++cases}`
  readonly grants: Claim[] = []
  readonly #costsOne: boolean
  #tasks = 0

  /** @param costsOne Whether every task costs 1: only then are places the same to the last, since what is usual may be forgotten. */
  constructor(costsOne: boolean) {
    this.#costsOne = costsOne
  }

  #file(operation: Operation): unknown {
    const moment = { now: this.#clock.monotonic(), stamp: this.#clock.now(), ahead: 0 }
    return store.look(this.#name, operation, moment) ?? store.execute(this.#name, operation, moment)
  }

  #task({ key, weight, ordered, body, cost, ...rest }: TaskSpec): NewTask {
    const own = key === null ? {} : { key: `k${key}`, ordered, ...(weight !== undefined && { weight }) }
    return {
      id: `t${++this.#tasks}`,
      type: 'charge',
      payload: JSON.stringify('x'.repeat(body)),
      ...own,
      ...rest,
      cost: this.#costsOne ? 1 : cost,
    }
  }

  push(tasks: readonly TaskSpec[], some: Bounds): void {
    const made = tasks.map((one) => this.#task(one))
    expect(this.#file({ name: 'push', tasks: made, bounds: some })).toEqual(this.#memory.push(made, some))
  }

  claim(max: number, leaseMs: number, perKey: object): void {
    const request = { max, leaseMs: Math.max(1, leaseMs), perKey }
    const { grants } = this.#file({ name: 'claim', requests: [request] }) as Granted
    const claims = this.#memory.claim(request)
    expect(grants).toEqual([claims])
    this.grants.push(...claims)
  }

  settle(back: number, outcome: string, delayMs: number): void {
    const claim = this.grants.at(-1 - back)
    if (!claim) return
    const failure = { attempt: 1, at: 0, code: 'Error', message: 'no' }
    const ref = { id: claim.id, token: claim.token }
    const settlements = [{ claim: ref, outcome, delayMs, reason: 'refused', failure } as Settlement]
    const { results } = this.#file({ name: 'settle', settlements }) as Settled
    expect(results).toEqual(this.#memory.settle(settlements))
  }

  redrive(): void {
    const { count } = this.#file({ name: 'redrive', which: 'all', limit: 100 }) as { count: number }
    expect(count).toBe(this.#memory.redrive('all'))
  }

  /** Also puts what has fallen due into its line, in both at the same time. */
  ask(one: TaskSpec): void {
    const newcomer = this.#task(one)
    const [file, memory] = [this.#file({ name: 'depth', newcomer }) as Depth, this.#memory.depth(newcomer)]
    expect(file).toEqual(this.#costsOne ? memory : { ...memory, ahead: file.ahead })
  }

  elapse(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }

  /** What is counted is what is there. */
  check(): void {
    const lines = db
      .prepare(
        `SELECT l.key, l.ready, l.inFlight, l.tasks, l.state, l.rank, l.priority FROM lines l
         JOIN queues q ON q.id = l.queue WHERE q.name = ? ORDER BY l.key`,
      )
      .all(this.#name) as Record<string, number>[]
    for (const line of lines) {
      const places = db
        .prepare(
          `SELECT p.state, p.rank, p.priority FROM places p JOIN lines l ON l.id = p.line JOIN queues q ON q.id = l.queue
           WHERE q.name = ? AND l.key = ? AND p.state <> 3 ORDER BY p.rank, p.seq`,
        )
        .all(this.#name, line.key) as Record<string, number>[]
      const ready = places.filter(({ state }) => state === 0)
      const counted = [ready.length, places.filter(({ state }) => state === 2).length, places.length]
      expect([line.ready, line.inFlight, line.tasks]).toEqual(counted)
      const [first] = ready
      if (first) expect([line.rank, line.priority]).toEqual([first.rank, first.priority])
      else expect([0, 4]).toContain(line.state)
    }
    const queue = db.prepare('SELECT * FROM queues WHERE name = ?').get(this.#name) as
      | Record<string, number>
      | undefined
    if (!queue) return
    const common = db
      .prepare('SELECT count(*) FROM places WHERE line = ? AND state = 0')
      .pluck()
      .get(-(queue.id as number))
    const open = lines.filter(({ state }) => state === 1).length
    expect([queue.lines, queue.commonReady, queue.openLines]).toEqual([lines.length, common, open + (common ? 1 : 0)])
    const empty = lines.filter(({ state, tasks }) => state === 0 && tasks === 0).length
    const resting = lines.filter(({ state }) => state === 4).length
    expect([queue.emptyLines, queue.restingLines]).toEqual([empty, resting])
  }
}

async function run(pair: Pair, step: Command): Promise<void> {
  switch (step.do) {
    case 'push':
      return pair.push(step.tasks, step.bounds as Bounds)
    case 'claim':
      return pair.claim(step.max, step.leaseMs, step.perKey)
    case 'settle':
      pair.settle(step.back, step.outcome, step.delayMs)
      // No two die at the same time: in which order they are redriven would be each engine's own.
      return pair.elapse(1)
    case 'redrive':
      return pair.redrive()
    case 'ask':
      return pair.ask(step.task)
    case 'elapse':
      return pair.elapse(step.ms)
  }
}

const ASK: TaskSpec = { key: 0, weight: 1, cost: 1, priority: 0, ordered: false, body: 0, delayMs: 0 }

test('law: memory and sqlite do the same, and the file’s counts are right', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(command, { maxLength: 40 }), async (costsOne, steps) => {
      const pair = new Pair(costsOne)
      db.exec('BEGIN')
      try {
        for (const step of steps) {
          pair.ask(ASK)
          await run(pair, step)
          pair.check()
        }
      } finally {
        db.exec('ROLLBACK')
      }
    }),
    { numRuns: 1_000 },
  )
}, 120_000)
