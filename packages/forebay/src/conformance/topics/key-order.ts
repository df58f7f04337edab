import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Claim } from '../../backends/queue-service.ts'
import { type Check, failure, type HowSettled, ids, Scene, type Topic } from '../target.ts'

const skip: Check['skip'] = ({ keyOrder }) => (keyOrder ? undefined : 'the engine keeps no order of keys')
const A = { key: 'a', ordered: true }
const B = { key: 'b', ordered: true }
const RETRY: HowSettled = { outcome: 'retry', delayMs: 100, failure: failure(1) }

/** What ends a task for good, and so lets the next one of its key go on. */
const ENDS: readonly HowSettled[] = [
  { outcome: 'complete' },
  { outcome: 'dead', reason: 'refused' },
  { outcome: 'expire' },
]

const ANY_END = fc.constantFrom('complete', 'dead', 'expire', 'retry', 'release', 'lapse')
const row = fc.record({
  keys: fc.array(fc.record({ key: fc.nat(2), priority: fc.integer({ min: -1, max: 1 }) }), {
    minLength: 1,
    maxLength: 10,
  }),
  ends: fc.array(ANY_END, { maxLength: 20 }),
})

async function settleAs(scene: Scene, claim: Claim, end: string | undefined): Promise<boolean> {
  if (end === 'lapse') return false
  const how = { outcome: end ?? 'complete', delayMs: 50, reason: 'refused', failure: failure(1) } as HowSettled
  assert.equal(await scene.settle(claim, how), 'settled')
  return end !== 'retry' && end !== 'release'
}

/** Runs all tasks to their ends: never two of a key at a time, and none before those that came earlier. */
async function law(scene: Scene, { keys, ends }: typeof row extends fc.Arbitrary<infer Row> ? Row : never) {
  const lines = new Map<string, string[]>()
  const pushed = await scene.push(...keys.map(({ key, priority }) => ({ key: `k${key}`, ordered: true, priority })))
  for (const [index, id] of pushed.entries()) {
    const key = `k${keys[index]?.key}`
    lines.set(key, [...(lines.get(key) ?? []), id])
  }
  const outcomes = [...ends]
  while (lines.size > 0) {
    const claims = await scene.claim(100, { leaseMs: 40 })
    const firsts = [...lines.values()].map(([first]) => first)
    assert.deepEqual(ids(claims).sort(), firsts.sort())
    for (const claim of claims) {
      const key = claim.task.key as string
      if (!(await settleAs(scene, claim, outcomes.shift()))) continue
      const left = (lines.get(key) ?? []).slice(1)
      if (left.length > 0) lines.set(key, left)
      else lines.delete(key)
    }
    await scene.elapse(50)
  }
}

export const keyOrder: Topic = {
  name: 'key order',
  checks: [
    ...ENDS.map(
      (end): Check => ({
        name: `the next one of a key starts only after the one before it: ${end.outcome}`,
        skip,
        async run(scene) {
          const [a1, a2, b1, free] = await scene.push(A, { ...A, priority: 9 }, B, { key: 'a' })
          const claims = await scene.claim()
          assert.deepEqual(ids(claims), [a1, b1, free])
          const { ready, delayed } = await scene.queue.depth()
          assert.deepEqual({ ready, delayed }, { ready: 0, delayed: 1 })
          assert.equal((await scene.queue.find([a2 as string]))[0]?.state, 'delayed')
          assert.equal(await scene.settle(claims[0] as Claim, end), 'settled')
          assert.equal((await scene.claimOne()).id, a2)
        },
      }),
    ),
    {
      name: 'a retry, a delay, a release and a lapsed lease keep the next one waiting',
      skip,
      async run(scene) {
        const [first, second] = await scene.push({ ...A, delayMs: 100 }, A)
        assert.deepEqual(await scene.claim(), [])
        await scene.elapse(100)
        assert.equal(await scene.settle(await scene.claimOne(), RETRY), 'settled')
        assert.deepEqual(await scene.claim(), [])
        await scene.elapse(100)
        assert.equal(await scene.settle(await scene.claimOne(), { outcome: 'release', delayMs: 0 }), 'settled')
        assert.equal((await scene.claimOne({ leaseMs: 100 })).id, first)
        await scene.elapse(100)
        const again = await scene.claimOne()
        assert.equal(again.id, first)
        await scene.settle(again, { outcome: 'complete' })
        assert.equal((await scene.claimOne()).id, second)
      },
    },
    {
      name: 'a blocked one still waits out its own delay',
      skip,
      async run(scene) {
        const [, late] = await scene.push(A, { ...A, delayMs: 200 })
        await scene.settle(await scene.claimOne(), { outcome: 'complete' })
        assert.deepEqual(await scene.claim(), [])
        await scene.elapse(200)
        assert.equal((await scene.claimOne()).id, late)
      },
    },
    {
      name: 'a redriven one goes to the end of its key',
      skip,
      async run(scene) {
        const [dead, second] = await scene.push(A, A)
        await scene.settle(await scene.claimOne(), { outcome: 'dead', reason: 'refused' })
        assert.equal(await scene.queue.dead.redrive([dead as string]), 1)
        const claim = await scene.claimOne()
        assert.equal(claim.id, second)
        await scene.settle(claim, { outcome: 'complete' })
        assert.equal((await scene.claimOne()).id, dead)
      },
    },
    {
      name: 'the order holds for all who have the queue open, and a parked claim wakes for the next one',
      skip,
      async run(scene) {
        const other = await scene.openAgain()
        const [, second] = await scene.push(A, A)
        const first = await scene.claimOne()
        const parked = other.claim({ max: 1, leaseMs: 60_000, waitMs: 60_000 })
        await scene.settle(first, { outcome: 'complete' })
        assert.deepEqual(ids(await parked), [second])
      },
    },
    {
      name: 'law: whatever becomes of each attempt, the tasks of a key run in their order, and keys side by side',
      skip: (capabilities, target) => {
        const reason = skip(capabilities, target)
        return reason ?? (target.exactTime ? undefined : 'it would take too long')
      },
      async run({ target, queue }) {
        // Where every step is a round trip to an engine, a tenth has to do.
        const numRuns = queue.capabilities.durability === 'none' ? 1_000 : 100
        await fc.assert(
          fc.asyncProperty(row, async (some) => {
            const scene = await Scene.set(target)
            try {
              await law(scene, some)
            } finally {
              await scene.close()
            }
          }),
          { numRuns },
        )
      },
    },
  ],
}
