/**
 * Conservation (docs/admission.md): whatever producers and consumers do, and whatever the queue does with what does not fit,
 *
 *     accepted = ready + delayed + in flight + completed + dead + expired + dropped        at rest
 *
 * where what was spilled is accepted and waits, and every task was told exactly one thing: accepted, duplicate or refused.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openMemory } from '../../packages/forebay/src/backends/memory/memory-queue-service.ts'
import type { Claim, QueueService, Settlement } from '../../packages/forebay/src/backends/queue-service.ts'
import { openSqlite } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { type EnqueueResult, LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import type { Overflow } from '../../packages/forebay/src/queue/overflow.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

const POLICIES = ['reject', 'drop-oldest', 'drop-lowest-priority', 'wait', 'spill'] as const
type Policy = (typeof POLICIES)[number]

const task = fc.record(
  {
    priority: fc.integer({ min: 0, max: 2 }),
    id: fc.constantFrom('a', 'b', 'c'),
    dedupId: fc.constantFrom('x', 'y'),
    key: fc.constantFrom('k', 'l'),
    ordered: fc.boolean(),
    delayMs: fc.integer({ min: 0, max: 2_000 }),
    ttlMs: fc.integer({ min: 1, max: 3_000 }),
    payload: fc.constantFrom('', 'long enough to matter'),
  },
  { requiredKeys: ['payload'] },
)

const step = fc.oneof(
  {
    arbitrary: fc.record({
      act: fc.constant('enqueue' as const),
      tasks: fc.array(task, { minLength: 1, maxLength: 5 }),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      act: fc.constant('work' as const),
      max: fc.integer({ min: 1, max: 4 }),
      outcome: fc.constantFrom('complete', 'retry', 'dead', 'release', 'leave'),
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ act: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 2_500 }) }), weight: 2 },
  { arbitrary: fc.record({ act: fc.constantFrom('redrive' as const, 'dropDead' as const) }), weight: 1 },
)

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

let runs = 0

interface Scene {
  readonly clock: VirtualClock
  /** Each call opens the same queue once more. */
  readonly open: (which: 'main' | 'spill') => QueueService | Promise<QueueService>
}

function overflowOf(policy: Policy, spill: QueueService | undefined): Overflow {
  if (policy === 'wait') return { policy, deadlineMs: 1_500 }
  return policy === 'spill' ? { policy, to: spill as QueueService } : policy
}

function settlementOf(claim: Claim, outcome: string): Settlement | undefined {
  const failure = { attempt: 1, at: 0, code: 'E', message: '' }
  if (claim.expired) return { claim, outcome: 'expire' }
  switch (outcome) {
    case 'complete':
      return { claim, outcome }
    case 'retry':
      return { claim, outcome, delayMs: 100, failure }
    case 'dead':
      return { claim, outcome, reason: 'refused' }
    case 'release':
      return { claim, outcome, delayMs: 0 }
    default:
      return undefined
  }
}

async function conserves(policy: Policy, { clock, open }: Scene, steps: readonly Step[]) {
  const overflow = overflowOf(policy, policy === 'spill' ? await open('spill') : undefined)
  const bounds = { maxDepth: 4, maxBytes: 80 }
  // These look when the queue is closed.
  const [main, spill] = [await open('main'), await open('spill')]
  const queue = await LoadLevelingQueue.open(await open('main'), {
    clock,
    random: seededRandom(1),
    ...bounds,
    overflow,
  })
  const enqueued: Promise<EnqueueResult[]>[] = []
  let droppedByRequest = 0
  for (const one of steps) {
    if (one.act === 'enqueue') {
      const tasks = one.tasks.map(({ ordered, ...rest }) => ({
        type: 't',
        ...rest,
        ...(rest.key && ordered && { ordered }),
      }))
      const results = queue.enqueueMany(tasks)
      enqueued.push(results)
      if (policy !== 'wait') await results
    } else if (one.act === 'work') {
      const claims = await queue.service.claim({ max: one.max, leaseMs: 1_000, waitMs: 0 })
      const settlements = claims.flatMap((claim) => settlementOf(claim, one.outcome) ?? [])
      if (settlements.length > 0) await queue.service.settle(settlements)
    } else if (one.act === 'advance') await clock.advance(one.ms)
    else if (one.act === 'redrive') await queue.dead.redrive('all')
    else droppedByRequest += await queue.dead.drop('all')
  }
  // At rest: nobody waits for room any longer, and nothing is being moved.
  await queue.close()
  const results = (await Promise.all(enqueued)).flat()
  const [inMain, inSpill] = await Promise.all([main.depth(), spill.depth()])
  await Promise.all([main.close(), spill.close()])
  return { results, inMain, inSpill, counts: queue.counts, droppedByRequest }
}

function check({ results, inMain, inSpill, counts, droppedByRequest }: Awaited<ReturnType<typeof conserves>>): void {
  const { ready, delayed, inFlight, dead, totals } = inMain
  if (!totals) throw new Error('the backend does not count')
  const { completed, expired, dropped } = totals
  const queued = ready + delayed + inFlight
  expect(totals.accepted).toBe(queued + completed + dead + expired + dropped)
  const lyingInSpill = inSpill.ready + inSpill.delayed + inSpill.inFlight
  const told = (status: string) => results.filter((result) => result.status === status).length
  expect(counts.accepted).toBe(told('accepted'))
  expect(counts.duplicate).toBe(told('duplicate'))
  expect(Object.values(counts.refused).reduce((sum, one) => sum + one, 0)).toBe(told('refused'))
  expect(counts.accepted).toBe(queued + completed + dead + expired + dropped + lyingInSpill + counts.expired)
  expect(counts.dropped + droppedByRequest).toBe(dropped)
  expect(inSpill.totals?.accepted).toBe(counts.spilled)
}

describe.each(POLICIES)('overflow %s', (policy) => {
  it('conserves what was accepted: memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const clock = new VirtualClock()
        const name = `conservation-${runs++}`
        const open = (queue: string) => openMemory({ clock, name, queue })
        check(await conserves(policy, { clock, open }, steps))
      }),
      { numRuns: 1_000 },
    )
  })

  describe('sqlite', () => {
    const clock = new VirtualClock()
    let folder = ''
    let keepers: QueueService[] = []
    let queues = 0
    const open = (file: string, queue: string) => openSqlite({ path: join(folder, file), queue, clock })
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'forebay-admission-'))
      // They keep the files' threads, so that not every queue has to start them.
      keepers = [await open('main.db', 'keeper'), await open('spill.db', 'keeper')]
    })
    afterAll(async () => {
      await Promise.all(keepers.map((keeper) => keeper.close()))
      await rm(folder, { recursive: true })
    })

    it('conserves what was accepted: sqlite', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const name = `q${queues++}`
          check(await conserves(policy, { clock, open: (which) => open(`${which}.db`, name) }, steps))
        }),
        { numRuns: 40 },
      )
    }, 60_000)
  })
})
