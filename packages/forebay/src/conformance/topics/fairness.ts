import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Claim, NewTask } from '../../backends/queue-service.ts'
import { type Check, ids, Scene, type Topic } from '../target.ts'

const skip: Check['skip'] = ({ fairness }) => (fairness ? undefined : 'the engine serves all keys in one line')
const A = { key: 'a', weight: 1 }
const B = { key: 'b', weight: 1 }

function times(count: number, fields: Partial<NewTask>): Partial<NewTask>[] {
  return Array.from({ length: count }, () => fields)
}

/** Grants tasks one by one; answers their keys. */
async function keysInTurn(scene: Scene, count: number): Promise<(string | undefined)[]> {
  const keys: (string | undefined)[] = []
  for (let n = 0; n < count; n++) keys.push((await scene.claim(1))[0]?.task.key)
  return keys
}

const count = (keys: readonly unknown[], key: unknown) => keys.filter((one) => one === key).length

const rows = fc.record({
  standing: fc.array(fc.record({ key: fc.nat(4), tasks: fc.integer({ min: 1, max: 6 }) }), { maxLength: 6 }),
  granted: fc.nat(12),
  batch: fc.integer({ min: 1, max: 4 }),
})

/** Among equal keys a newcomer is granted after at most one of each that has ready tasks. */
async function newcomerLaw(
  scene: Scene,
  { standing, granted, batch }: typeof rows extends fc.Arbitrary<infer Row> ? Row : never,
): Promise<void> {
  for (const { key, tasks } of standing) await scene.push(...times(tasks, { key: `k${key}`, weight: 1 }))
  if (granted > 0) await scene.claim(granted)
  const open = new Set(standing.map(({ key }) => `k${key}`))
  for (const key of open) await scene.push(...times(2, { key, weight: 1 }))
  const [newcomer] = await scene.push({ key: 'newcomer', weight: 1 })
  const before: (string | undefined)[] = []
  for (;;) {
    const claims = await scene.claim(batch)
    const at = claims.findIndex(({ id }) => id === newcomer)
    before.push(...claims.slice(0, at < 0 ? undefined : at).map(({ task }) => task.key))
    if (at >= 0) break
    assert.ok(claims.length > 0, 'the newcomer was never granted')
  }
  assert.equal(new Set(before).size, before.length, `a key went twice before the newcomer: ${before}`)
}

export const fairness: Topic = {
  name: 'fairness',
  checks: [
    {
      name: 'a key with very many tasks does not hold up one with few',
      skip,
      async run(scene) {
        await scene.push(...times(50, A))
        assert.deepEqual(
          await keysInTurn(scene, 5),
          times(5, A).map(({ key }) => key),
        )
        await scene.push(B, B)
        const keys = await keysInTurn(scene, 4)
        assert.equal(count(keys, 'b'), 2)
      },
    },
    {
      name: 'keys with a standing backlog take turns, also within one claim',
      skip,
      async run(scene) {
        await scene.push(...times(9, A), ...times(9, B), ...times(9, { key: 'c', weight: 1 }))
        for (const batch of [1, 3, 6, 6]) {
          const keys = (await scene.claim(batch)).map(({ task }) => task.key)
          const counts = ['a', 'b', 'c'].map((key) => count(keys, key))
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, JSON.stringify(keys))
        }
      },
    },
    {
      name: 'shares follow weights, and the weight of a key is that of its latest task',
      skip,
      async run(scene) {
        await scene.push(...times(60, { key: 'a', weight: 3 }), ...times(60, B))
        assert.ok(Math.abs(count(await keysInTurn(scene, 40), 'a') - 30) <= 1)
        await scene.push({ key: 'a', weight: 1 })
        assert.ok(Math.abs(count(await keysInTurn(scene, 40), 'a') - 20) <= 1)
      },
    },
    {
      name: 'a start is charged its cost',
      skip,
      async run(scene) {
        await scene.push(...times(40, { ...A, cost: 4 }), ...times(40, B))
        assert.ok(Math.abs(count(await keysInTurn(scene, 40), 'a') - 8) <= 1)
      },
    },
    {
      name: 'tasks without a weight stand in one line, which is one among the others',
      skip,
      async run(scene) {
        await scene.push(...times(10, {}), ...times(10, { key: 'x' }), ...times(20, A))
        const keys = await keysInTurn(scene, 20)
        assert.ok(Math.abs(count(keys, 'a') - 10) <= 1)
        assert.equal(count(keys, 'x'), 0)
      },
    },
    {
      name: 'within a key: higher priorities first, equal ones in the order of their coming',
      skip: (capabilities, target) =>
        skip(capabilities, target) ?? (capabilities.priority === 'none' ? 'the engine has no priorities' : undefined),
      async run(scene) {
        const [low, first, high, second] = await scene.push({ ...A, priority: -1 }, A, { ...A, priority: 5 }, A)
        await scene.push(...times(4, B))
        const own = (await scene.claim(8)).filter(({ task }) => task.key === 'a')
        assert.deepEqual(ids(own), [high, first, second, low])
      },
    },
    {
      name: 'an urgent task goes ahead of other keys, and a key that calls all urgent gains that once',
      skip: (capabilities, target) =>
        skip(capabilities, target) ?? (capabilities.priority === 'none' ? 'the engine has no priorities' : undefined),
      async run(scene) {
        await scene.push(...times(60, A))
        await keysInTurn(scene, 5)
        await scene.push(...times(60, { ...B, priority: 1 }))
        const keys = await keysInTurn(scene, 40)
        assert.equal(keys[0], 'b')
        assert.ok(count(keys, 'b') < 30, 'the urgent key got more than its head start')
        assert.ok(count(keys.slice(20), 'b') <= 11)
      },
    },
    {
      name: 'a retry and a lapsed lease go back to their key’s line',
      skip,
      async run(scene) {
        await scene.push(...times(20, B))
        const [lapses] = await scene.push(A)
        const claims: Claim[] = []
        while (!ids(claims).includes(lapses as string)) claims.push(...(await scene.claim(1)))
        const claim = claims.find(({ id }) => id === lapses) as Claim
        await scene.settle(claim, { outcome: 'release', delayMs: 0 })
        assert.ok(ids(await scene.claim(3, { leaseMs: 100 })).includes(claim.id))
        await scene.elapse(150)
        assert.ok(ids(await scene.claim(5)).includes(claim.id))
      },
    },
    {
      name: 'all who have the queue open keep one order',
      skip,
      async run(scene) {
        const other = await scene.openAgain()
        await scene.push(...times(20, A))
        await other.push([scene.task(B), scene.task(B), scene.task(B)])
        const keys: (string | undefined)[] = []
        for (const queue of [scene.queue, other, scene.queue, other, scene.queue, other]) {
          const claims = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
          keys.push(...claims.map(({ task }) => task.key))
        }
        assert.equal(count(keys, 'b'), 3)
      },
    },
    {
      name: 'law: a newcomer is granted after at most one of each key that has ready tasks',
      skip: (capabilities, target) => {
        const reason = skip(capabilities, target)
        return reason ?? (target.exactTime ? undefined : 'it would take too long')
      },
      async run({ target, queue }) {
        const numRuns = queue.capabilities.durability === 'none' ? 1_000 : 100
        await fc.assert(
          fc.asyncProperty(rows, async (some) => {
            const scene = await Scene.set(target)
            try {
              await newcomerLaw(scene, some)
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
