import assert from 'node:assert/strict'
import fc, { type AsyncCommand } from 'fast-check'
import type { Claim } from '../../backends/queue-service.ts'
import { lineOf, ModelQueue } from '../model-queue.ts'
import { failure, ids, Scene, type Topic } from '../target.ts'

/** The real queue, and every grant that it ever gave. */
interface Real {
  readonly scene: Scene
  readonly grants: Claim[]
}

/** A command that can always be given; afterwards the depths agree. */
abstract class Command implements AsyncCommand<ModelQueue, Real> {
  check(): boolean {
    return true
  }

  async run(model: ModelQueue, real: Real): Promise<void> {
    await this.act(model, real)
    assert.deepEqual(await real.scene.queue.depth(), model.depth)
  }

  protected abstract act(model: ModelQueue, real: Real): Promise<void>

  toString(): string {
    return `${this.constructor.name} ${JSON.stringify(this)}`
  }
}

interface PushSpec {
  readonly id: number
  readonly key: number | null
  readonly priority: number
  readonly delayMs: number
  readonly ttlMs: number | null
  readonly dedup: number | null
  readonly body: number
}

class Push extends Command {
  readonly specs: readonly PushSpec[]
  readonly maxDepth: number
  readonly overflow: Overflow

  constructor(specs: readonly PushSpec[], maxDepth: number, overflow: Overflow) {
    super()
    this.specs = specs
    this.maxDepth = maxDepth
    this.overflow = overflow
  }

  protected async act(model: ModelQueue, { scene }: Real): Promise<void> {
    const { fairness, eviction } = scene.queue.capabilities
    const tasks = this.specs.map(({ id, key, priority, delayMs, ttlMs, dedup, body }) =>
      scene.task({
        id: `task ${id}`,
        payload: JSON.stringify('ü'.repeat(body)),
        priority,
        delayMs,
        ...(key === null ? {} : { key: `key ${key}`, ...(fairness && { weight: 1 }) }),
        ...(ttlMs === null ? {} : { ttlMs }),
        ...(dedup === null ? {} : { dedup: { id: `dedup ${dedup}`, windowMs: 700 } }),
      }),
    )
    const bounds = { maxDepth: this.maxDepth, ...(eviction && { overflow: this.overflow }) }
    const expected = tasks.map((task) => model.push(task, bounds))
    assert.deepEqual(await scene.queue.push(tasks, bounds), expected)
  }
}

class ClaimSome extends Command {
  readonly max: number
  readonly leaseMs: number
  /** Of each key. */
  readonly concurrency: number | null

  constructor(max: number, leaseMs: number, concurrency: number | null) {
    super()
    this.max = max
    this.leaseMs = leaseMs
    this.concurrency = concurrency
  }

  protected async act(model: ModelQueue, { scene, grants }: Real): Promise<void> {
    const ready = model.ready
    const concurrency = scene.queue.capabilities.keyLimits ? this.concurrency : null
    const perKey = concurrency === null ? {} : { perKey: { concurrency } }
    const grantable = model.grantable(concurrency ?? Infinity)
    const claims = await scene.claim(this.max, { leaseMs: this.leaseMs, ...perKey })
    assert.equal(claims.length, Math.min(this.max, grantable))
    const left = ready.filter(({ task }) => !ids(claims).includes(task.id))
    for (const claim of claims) {
      const one = ready.find(({ task }) => task.id === claim.id)
      assert.ok(one, `${claim.id} was granted, and was not ready`)
      const passedOver = left.find(
        ({ task, pushedAt, redriven, order }) =>
          lineOf(task) === lineOf(one.task) &&
          task.priority === one.task.priority &&
          (pushedAt < one.pushedAt || (pushedAt === one.pushedAt && order < one.order && !redriven && !one.redriven)),
      )
      assert.equal(passedOver, undefined, `${claim.id} went before ${passedOver?.task.id}`)
      assert.equal(claim.waitedMs, model.now - one.due)
      assert.equal(claim.expired, one.expiresAt <= model.now)
      assert.equal(claim.task.attempts, one.attempts + 1)
      assert.equal(claim.task.failures.length, one.failures)
      assert.ok(!grants.some(({ token }) => token === claim.token), 'a token came twice')
      Object.assign(one, { state: 'inFlight', due: model.now + this.leaseMs, attempts: one.attempts + 1 })
      one.token = claim.token
      grants.push(claim)
    }
  }
}

const OUTCOMES = ['complete', 'retry', 'dead', 'expire', 'release'] as const

class Settle extends Command {
  /** Which of all grants, from the latest back. */
  readonly back: number
  readonly outcome: (typeof OUTCOMES)[number]
  readonly delayMs: number

  constructor(back: number, outcome: (typeof OUTCOMES)[number], delayMs: number) {
    super()
    this.back = back
    this.outcome = outcome
    this.delayMs = delayMs
  }

  protected async act(model: ModelQueue, { scene, grants }: Real): Promise<void> {
    const claim = grants.at(-1 - this.back)
    if (!claim) return
    const one = model.held(claim.id, claim.token)
    const { outcome, delayMs } = this
    const how = { outcome, delayMs, reason: 'refused', failure: failure(claim.task.attempts) } as const
    assert.equal(await scene.settle(claim, how), one ? 'settled' : 'stale')
    if (!one) return
    if (outcome === 'complete') return model.forget(one, 'completed')
    if (outcome === 'expire') return model.forget(one, 'expired')
    if (outcome === 'release') one.attempts--
    else one.failures = Math.min(10, one.failures + 1)
    if (outcome === 'dead') return model.die(one)
    Object.assign(one, { state: 'waiting', due: model.now + delayMs })
  }
}

class Extend extends Command {
  readonly back: number
  readonly leaseMs: number

  constructor(back: number, leaseMs: number) {
    super()
    this.back = back
    this.leaseMs = leaseMs
  }

  protected async act(model: ModelQueue, { scene, grants }: Real): Promise<void> {
    const claim = grants.at(-1 - this.back)
    if (!claim) return
    const one = model.held(claim.id, claim.token)
    const [result] = await scene.queue.extend([claim], this.leaseMs)
    assert.equal(result?.status, one ? 'extended' : 'stale')
    if (one) one.due = model.now + this.leaseMs
  }
}

class Elapse extends Command {
  readonly ms: number

  constructor(ms: number) {
    super()
    this.ms = ms
  }

  protected async act(model: ModelQueue, { scene }: Real): Promise<void> {
    await scene.elapse(this.ms)
    model.now += this.ms
  }
}

class TakeDead extends Command {
  readonly how: 'redrive' | 'drop'
  readonly which: readonly number[] | 'all'

  constructor(how: 'redrive' | 'drop', which: readonly number[] | 'all') {
    super()
    this.how = how
    this.which = which
  }

  protected async act(model: ModelQueue, { scene }: Real): Promise<void> {
    const { dead } = scene.queue
    const listed = ids((await dead.list({ limit: 100 })).items.map(({ task }) => task))
    assert.deepEqual([...listed].sort(), ids(model.dead.map(({ task }) => task)).sort())
    const died = listed.map((id) => model.tasks.get(id)?.diedAt ?? 0)
    assert.deepEqual(
      died,
      [...died].sort((a, b) => a - b),
      'the oldest dead letter was not the first',
    )
    const which = this.which === 'all' ? 'all' : this.which.map((id) => `task ${id}`)
    const taken = model.dead.filter(({ task }) => which === 'all' || which.includes(task.id))
    assert.equal(await dead[this.how](which), taken.length)
    for (const one of taken) {
      if (this.how === 'redrive') model.redrive(one)
      else model.forget(one, 'dropped')
    }
  }
}

class FindAll extends Command {
  protected async act(model: ModelQueue, { scene }: Real): Promise<void> {
    const all = Array.from({ length: TASK_IDS }, (_, id) => `task ${id}`)
    const states = (await scene.queue.find(all)).map((found) => found?.state)
    const expected = all.map((id) => model.tasks.get(id)).map((one) => one && model.stateOf(one))
    assert.deepEqual(states, expected)
  }
}

type Overflow = (typeof OVERFLOWS)[number]

const OVERFLOWS = ['reject', 'drop-oldest', 'drop-lowest-priority'] as const
const TASK_IDS = 12
const span = fc.constantFrom(0, 1, 100, 500, 1_000)
const lease = fc.constantFrom(1, 100, 600, 2_000)
const spec: fc.Arbitrary<PushSpec> = fc.record({
  id: fc.nat(TASK_IDS - 1),
  key: fc.option(fc.nat(2), { freq: 2 }),
  priority: fc.integer({ min: -1, max: 1 }),
  delayMs: span,
  ttlMs: fc.option(fc.constantFrom(100, 1_000), { freq: 3 }),
  dedup: fc.option(fc.nat(2), { freq: 3 }),
  body: fc.nat(2),
})
const back = fc.nat(6)
const some = fc.oneof(fc.constant('all' as const), fc.array(fc.nat(TASK_IDS - 1), { maxLength: 4 }))

const commands = fc.commands(
  [
    fc
      .tuple(fc.array(spec, { maxLength: 6 }), fc.constantFrom(4, 8, Infinity), fc.constantFrom(...OVERFLOWS))
      .map(([specs, maxDepth, overflow]) => new Push(specs, maxDepth, overflow)),
    fc
      .tuple(fc.integer({ min: 1, max: 5 }), lease, fc.constantFrom(null, null, 1, 2))
      .map(([max, leaseMs, concurrency]) => new ClaimSome(max, leaseMs, concurrency)),
    fc
      .tuple(back, fc.constantFrom(...OUTCOMES), span)
      .map(([which, outcome, delayMs]) => new Settle(which, outcome, delayMs)),
    fc.tuple(back, lease).map(([which, leaseMs]) => new Extend(which, leaseMs)),
    span.map((ms) => new Elapse(ms)),
    fc
      .tuple(fc.constantFrom('redrive' as const, 'drop' as const), some)
      .map(([how, which]) => new TakeDead(how, which)),
    fc.constant(new FindAll()),
  ],
  { maxCommands: 80, size: 'max' },
)

export const model: Topic = {
  name: 'model',
  checks: [
    {
      name: 'any row of commands gives what the plainest queue gives',
      skip: ({ bounds, find, failures, priority, maxDedupWindowMs }, { exactTime }) => {
        if (!exactTime) return 'the model counts every millisecond, and real time can’t be told so exactly'
        const able = bounds === 'exact' && find && failures && priority === 'aged' && maxDedupWindowMs > 0
        return able ? undefined : 'the model can more than this engine'
      },
      async run({ target }) {
        await fc.assert(
          fc.asyncProperty(commands, async (row) => {
            const scene = await Scene.set(target)
            try {
              await fc.asyncModelRun(() => ({ model: new ModelQueue(), real: { scene, grants: [] } }), row)
            } finally {
              await scene.close()
            }
          }),
          { numRuns: 100 },
        )
      },
    },
  ],
}
