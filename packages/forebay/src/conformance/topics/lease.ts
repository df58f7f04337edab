import assert from 'node:assert/strict'
import type { Topic } from '../target.ts'

export const lease: Topic = {
  name: 'lease',
  checks: [
    {
      name: 'a task is nobody else’s while its lease lasts',
      async run(scene) {
        await scene.push({})
        await scene.claimOne({ leaseMs: 1_000 })
        assert.deepEqual(await scene.claim(), [])
        if (scene.target.exactTime) await scene.elapse(999)
        assert.deepEqual(await scene.claim(), [])
        assert.equal((await scene.queue.depth()).inFlight, 1)
      },
    },
    {
      name: 'when it ends the task is ready again, and the attempt stays counted',
      async run(scene) {
        await scene.push({})
        const first = await scene.claimOne({ leaseMs: 1_000 })
        await scene.elapse(1_000)
        const { ready, inFlight } = await scene.queue.depth()
        assert.deepEqual([ready, inFlight], [1, 0])
        const second = await scene.claimOne()
        assert.equal(second.id, first.id)
        assert.equal(second.task.attempts, 2)
        assert.notEqual(second.token, first.token)
      },
    },
    {
      name: 'after its end it can neither be settled nor extended, even if nobody else has the task',
      async run(scene) {
        await scene.push({})
        const claim = await scene.claimOne({ leaseMs: 1_000 })
        await scene.elapse(1_000)
        assert.equal(await scene.settle(claim, { outcome: 'complete' }), 'stale')
        assert.deepEqual(await scene.queue.extend([claim], 60_000), [{ status: 'stale' }])
        assert.equal((await scene.queue.depth()).ready, 1)
      },
    },
    {
      name: 'its first holder can’t touch the task that another one has',
      async run(scene) {
        await scene.push({})
        const first = await scene.claimOne({ leaseMs: 1_000 })
        await scene.elapse(1_000)
        const second = await scene.claimOne()
        assert.equal(await scene.settle(first, { outcome: 'complete' }), 'stale')
        assert.deepEqual(await scene.queue.extend([first], 60_000), [{ status: 'stale' }])
        assert.equal(await scene.settle(second, { outcome: 'complete' }), 'settled')
      },
    },
    {
      name: 'extended, it ends so long after the extension',
      async run(scene) {
        await scene.push({})
        const { leaseMs, pauseMs } = { leaseMs: 2_000, pauseMs: 1_100 }
        const claim = await scene.claimOne({ leaseMs })
        await scene.elapse(pauseMs)
        const [extended] = await scene.queue.extend([claim], leaseMs)
        assert.ok(extended?.status === 'extended')
        await scene.elapse(pauseMs)
        assert.deepEqual(await scene.claim(), [])
        const held = { id: claim.id, token: extended.token }
        assert.equal(await scene.settle(held, { outcome: 'complete' }), 'settled')
      },
    },
    {
      name: 'extensions are answered one by one, in order',
      async run(scene) {
        await scene.push({}, {})
        const [a, b] = await scene.claim()
        assert.ok(a && b)
        await scene.settle(a, { outcome: 'complete' })
        const results = await scene.queue.extend([a, b, { id: b.id, token: 'x' }], 1_000)
        assert.deepEqual(
          results.map(({ status }) => status),
          ['stale', 'extended', 'stale'],
        )
        assert.deepEqual(await scene.queue.extend([], 1_000), [])
      },
    },
    {
      name: 'very many leases that end at one time are all ready',
      async run(scene) {
        const count = scene.many(1_000)
        await scene.push(...Array.from({ length: count }, () => ({})))
        assert.equal((await scene.claim(count, { leaseMs: 1_000 })).length, count)
        await scene.elapse(1_000)
        assert.equal((await scene.queue.depth()).ready, count)
        assert.equal((await scene.claim(count)).length, count)
      },
    },
  ],
}
