/**
 * The scripts of the redis backend do what memory does, command by command: the same grants in the same order, the same tasks
 * give way, the same place is told to a newcomer. On a real server, by a clock that stands still.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MemoryStore } from '../../packages/forebay/src/backends/memory/memory-store.ts'
import type {
  Bounds,
  Claim,
  NewTask,
  QueueService,
  Settlement,
} from '../../packages/forebay/src/backends/queue-service.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { openClocked } from '../servers/clocked-redis.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { commandOf } from './commands.ts'

const RUNS = 300

const task = fc.record({
  key: fc.option(fc.nat(4), { freq: 4 }),
  weight: fc.constantFrom(undefined, 1, 1, 2, 0.5),
  cost: fc.constantFrom(undefined, undefined, 1, 3),
  priority: fc.constantFrom(0, 0, 0, 1, -1),
  ordered: fc.constantFrom(false, false, true),
  body: fc.nat(3),
  delayMs: fc.constantFrom(0, 0, 0, 1, 50),
})
type Fields = typeof task extends fc.Arbitrary<infer Value> ? Value : never
const command = commandOf(task)
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never

/** Both engines under one clock. */
class Pair {
  readonly #clock: VirtualClock
  readonly #memory: MemoryStore
  readonly #redis: QueueService
  readonly #grants: { readonly one: Claim; readonly other: Claim }[] = []
  #tasks = 0

  constructor(redis: QueueService, clock: VirtualClock) {
    this.#redis = redis
    this.#clock = clock
    this.#memory = new MemoryStore(clock)
  }

  #task({ key, weight, ordered, body, cost, ...rest }: Fields): NewTask {
    const own = key === null ? {} : { key: `k${key}`, ordered, ...(weight !== undefined && { weight }) }
    const payload = JSON.stringify('x'.repeat(body))
    return { id: `t${++this.#tasks}`, type: 'charge', payload, ...own, ...(cost !== undefined && { cost }), ...rest }
  }

  async push(tasks: readonly Fields[], some: Bounds): Promise<void> {
    const made = tasks.map((one) => this.#task(one))
    expect(await this.#redis.push(made, some)).toEqual(this.#memory.push(made, some))
  }

  async claim(max: number, leaseMs: number, perKey: object): Promise<void> {
    const request = { max, leaseMs: Math.max(1, leaseMs), waitMs: 0, perKey }
    const claims = this.#memory.claim(request)
    const granted = await this.#redis.claim(request)
    const bare = ({ id, task: { attempts, payload }, waitedMs, expired }: Claim) => ({
      id,
      attempts,
      payload,
      waitedMs,
      expired,
    })
    expect(granted.map(bare)).toEqual(claims.map(bare))
    claims.forEach((one, index) => this.#grants.push({ one, other: granted[index] as Claim }))
  }

  async settle(back: number, outcome: string, delayMs: number): Promise<void> {
    const grant = this.#grants.at(-1 - back)
    if (!grant) return
    const failure = { attempt: 1, at: 0, code: 'Error', message: 'no' }
    const how = { outcome, delayMs, reason: 'refused', failure }
    const settlement = ({ id, token }: Claim) => [{ claim: { id, token }, ...how } as Settlement]
    expect(await this.#redis.settle(settlement(grant.other))).toEqual(this.#memory.settle(settlement(grant.one)))
  }

  /** At a moment of its own: the engines differ in whom they place first of those that come at the very same one. */
  async redrive(): Promise<void> {
    await this.elapse(1)
    expect(await this.#redis.dead.redrive('all')).toBe(this.#memory.redrive('all'))
    await this.elapse(1)
  }

  /** Also puts what has fallen due into its line, in both at the same time. */
  async ask(one: Fields): Promise<void> {
    const newcomer = this.#task(one)
    expect(await this.#redis.depth(newcomer)).toEqual(this.#memory.depth(newcomer))
  }

  elapse(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }
}

async function run(pair: Pair, step: Command): Promise<void> {
  switch (step.do) {
    case 'push':
      return pair.push(step.tasks, step.bounds as Bounds)
    case 'claim':
      return pair.claim(step.max, step.leaseMs, step.perKey)
    case 'settle':
      return pair.settle(step.back, step.outcome, step.delayMs)
    case 'redrive':
      return pair.redrive()
    case 'ask':
      return pair.ask(step.task)
    case 'elapse':
      return pair.elapse(step.ms)
  }
}

const ASK: Fields = { key: 0, weight: 1, cost: 1, priority: 0, ordered: false, body: 0, delayMs: 0 }

if (haveRedis('that redis does what memory does')) {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-fairness-'))
  let server: RedisServer
  let cases = 0

  beforeAll(async () => {
    server = await RedisServer.start(folder)
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  test('law: memory and redis do the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 80, size: 'max' }), async (steps) => {
        const clock = new VirtualClock()
        // Memory's time begins at 0, which is also what a key's rate begins with.
        await clock.advance(1_000)
        const redis = await openClocked(server.url, `case ${++cases}`, clock)
        const pair = new Pair(redis, clock)
        try {
          for (const step of steps) {
            await pair.ask(ASK)
            await run(pair, step)
          }
        } finally {
          await redis.close()
        }
      }),
      { numRuns: RUNS },
    )
  }, 110_000)
}
