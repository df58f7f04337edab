import assert from 'node:assert/strict'
import { failure, type HowSettled, ids, type Topic } from '../target.ts'

const EVERY_WAY: readonly HowSettled[] = [
  { outcome: 'complete' },
  { outcome: 'retry', delayMs: 0, failure: failure(1) },
  { outcome: 'dead', reason: 'refused' },
  { outcome: 'expire' },
  { outcome: 'release', delayMs: 0 },
]

export const settle: Topic = {
  name: 'settle',
  checks: [
    {
      name: 'a completed task is gone and counted',
      async run(scene) {
        await scene.push({})
        assert.equal(await scene.settle(await scene.claimOne(), { outcome: 'complete' }), 'settled')
        const { ready, delayed, inFlight, dead, totals } = await scene.queue.depth()
        assert.deepEqual([ready, delayed, inFlight, dead], [0, 0, 0, 0])
        if (totals) assert.deepEqual(totals, { accepted: 1, completed: 1, expired: 0, dropped: 0 })
      },
    },
    {
      name: 'a retried task comes back after its delay, with its failure',
      async run(scene) {
        const [id] = await scene.push({})
        const first = await scene.claimOne()
        assert.equal(await scene.settle(first, { outcome: 'retry', delayMs: 800, failure: failure(1) }), 'settled')
        assert.equal((await scene.queue.depth()).delayed, 1)
        assert.deepEqual(await scene.claim(), [])
        await scene.elapse(800)
        const second = await scene.claimOne()
        assert.equal(second.id, id)
        assert.equal(second.task.attempts, 2)
        if (scene.queue.capabilities.failures) assert.deepEqual(second.task.failures, [failure(1)])
      },
    },
    {
      name: 'a retry without a delay is ready at once',
      async run(scene) {
        await scene.push({})
        await scene.settle(await scene.claimOne(), { outcome: 'retry', delayMs: 0, failure: failure(1) })
        assert.equal((await scene.claimOne()).task.attempts, 2)
      },
    },
    {
      name: 'the ten last failures are kept',
      skip: ({ failures }) => (failures ? undefined : 'the engine keeps no failures'),
      async run(scene) {
        await scene.push({})
        for (let attempt = 1; attempt <= 12; attempt++) {
          const claim = await scene.claimOne()
          await scene.settle(claim, { outcome: 'retry', delayMs: 0, failure: failure(attempt, `fault ${attempt}`) })
        }
        const { task } = await scene.claimOne()
        assert.deepEqual(
          task.failures.map(({ attempt }) => attempt),
          [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        )
      },
    },
    {
      name: 'a released task comes back as if it had never been granted',
      skip: ({ releases }) => (releases === 'counted' ? 'the engine counts a release as an attempt' : undefined),
      async run(scene) {
        await scene.push({})
        assert.equal(await scene.settle(await scene.claimOne(), { outcome: 'release', delayMs: 500 }), 'settled')
        assert.deepEqual(await scene.claim(), [])
        await scene.elapse(500)
        const { task } = await scene.claimOne()
        assert.equal(task.attempts, 1)
        assert.deepEqual(task.failures, [])
      },
    },
    {
      name: 'an expired task is gone and counted',
      async run(scene) {
        await scene.push({ ttlMs: 100 })
        await scene.elapse(100)
        const claim = await scene.claimOne()
        assert.equal(claim.expired, true)
        assert.equal(await scene.settle(claim, { outcome: 'expire' }), 'settled')
        const { ready, inFlight, totals } = await scene.queue.depth()
        assert.deepEqual([ready, inFlight], [0, 0])
        if (totals) assert.equal(totals.expired, 1)
      },
    },
    {
      name: 'a task within its time is not expired',
      async run(scene) {
        await scene.push({ ttlMs: 60_000 })
        assert.equal((await scene.claimOne()).expired, false)
      },
    },
    ...EVERY_WAY.map((how) => ({
      name: `the same settlement twice is stale and changes nothing: ${how.outcome}`,
      async run(scene: Parameters<Topic['checks'][number]['run']>[0]) {
        await scene.push({}, {})
        const [claim] = await scene.claim(1)
        assert.ok(claim)
        assert.equal(await scene.settle(claim, how), 'settled')
        const before = await scene.queue.depth()
        assert.equal(await scene.settle(claim, how), 'stale')
        const after = await scene.queue.depth()
        assert.deepEqual({ ...after, oldestReadyAgeMs: 0 }, { ...before, oldestReadyAgeMs: 0 })
      },
    })),
    {
      name: 'a wrong token, an old token and an unknown task are stale',
      async run(scene) {
        await scene.push({})
        const old = await scene.claimOne()
        await scene.settle(old, { outcome: 'release', delayMs: 0 })
        const now = await scene.claimOne()
        for (const how of EVERY_WAY) {
          assert.equal(await scene.settle(old, how), 'stale')
          assert.equal(await scene.settle({ id: now.id, token: '' }, how), 'stale')
          assert.equal(await scene.settle({ id: now.id, token: `${now.token}x` }, how), 'stale')
          assert.equal(await scene.settle({ id: 'nobody', token: now.token }, how), 'stale')
        }
        assert.equal(await scene.settle(now, { outcome: 'complete' }), 'settled')
      },
    },
    {
      name: 'a token is good for its own task only',
      async run(scene) {
        await scene.push({}, {})
        const [a, b] = await scene.claim()
        assert.ok(a && b)
        assert.equal(await scene.settle({ id: a.id, token: b.token }, { outcome: 'complete' }), 'stale')
        assert.equal((await scene.queue.depth()).inFlight, 2)
      },
    },
    {
      name: 'a batch is answered one by one, in order',
      async run(scene) {
        await scene.push({}, {}, {})
        const [a, b, c] = await scene.claim()
        assert.ok(a && b && c)
        const results = await scene.queue.settle([
          { claim: b, outcome: 'complete' },
          { claim: { id: 'nobody', token: '1' }, outcome: 'complete' },
          { claim: a, outcome: 'release', delayMs: 0 },
          { claim: b, outcome: 'complete' },
          { claim: c, outcome: 'dead', reason: 'refused' },
        ])
        assert.deepEqual(
          results.map(({ status }) => status),
          ['settled', 'stale', 'settled', 'stale', 'settled'],
        )
        assert.deepEqual(ids(await scene.claim()), [a.id])
        assert.deepEqual(await scene.queue.settle([]), [])
      },
    },
  ],
}
