import assert from 'node:assert/strict'
import { ForebayError } from '../../errors.ts'
import { ids, type Topic } from '../target.ts'

const closed = (thrown: unknown) => thrown instanceof ForebayError && thrown.code === 'QUEUE_CLOSED'

export const close: Topic = {
  name: 'close',
  checks: [
    {
      name: 'works twice, also at the same time',
      async run(scene) {
        await Promise.all([scene.queue.close(), scene.queue.close()])
        await scene.queue.close()
      },
    },
    {
      name: 'ends the waits',
      async run(scene) {
        const parked = scene.queue.claim({ max: 1, leaseMs: 1_000, waitMs: 3_600_000 })
        await scene.queue.depth()
        await scene.queue.close()
        assert.deepEqual(await parked, [])
      },
    },
    {
      name: 'a claim that is made just before it is answered',
      async run(scene) {
        const parked = scene.queue.claim({ max: 1, leaseMs: 1_000, waitMs: 3_600_000 })
        await scene.queue.close()
        assert.deepEqual(await parked, [])
      },
    },
    {
      name: 'what was asked before is still done',
      async run(scene) {
        const keeper = await scene.openAgain()
        const pushing = scene.queue.push([scene.task()])
        await scene.queue.close()
        assert.equal((await pushing)[0]?.status, 'accepted')
        assert.equal((await keeper.depth()).ready, 1)
      },
    },
    {
      name: 'after it every method rejects with QUEUE_CLOSED',
      async run(scene) {
        const { queue } = scene
        await queue.close()
        await assert.rejects(queue.push([scene.task()]), closed)
        await assert.rejects(queue.claim({ max: 1, leaseMs: 1_000, waitMs: 0 }), closed)
        await assert.rejects(queue.settle([]), closed)
        await assert.rejects(queue.extend([], 1_000), closed)
        await assert.rejects(queue.depth(), closed)
        await assert.rejects(queue.find(['t']), closed)
        await assert.rejects(queue.dead.list({ limit: 1 }), closed)
        await assert.rejects(queue.dead.redrive('all'), closed)
        await assert.rejects(queue.dead.drop('all'), closed)
      },
    },
    {
      name: 'another service of the same queue goes on, and its waits too',
      async run(scene) {
        const other = await scene.openAgain()
        const parked = other.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
        await other.depth()
        const [id] = await scene.push({})
        assert.deepEqual(ids(await parked), [id])
        const again = other.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
        await scene.queue.close()
        const task = scene.task()
        await other.push([task])
        assert.deepEqual(ids(await again), [task.id])
      },
    },
    {
      name: 'leased tasks stay leased until their leases end',
      skip: ({ leases }) => (leases === 'connection' ? 'the engine ends leases with the connection' : undefined),
      async run(scene) {
        const other = await scene.openAgain()
        await scene.push({})
        const claim = await scene.claimOne({ leaseMs: 1_000 })
        await scene.queue.close()
        assert.deepEqual(await other.claim({ max: 1, leaseMs: 1_000, waitMs: 0 }), [])
        await scene.elapse(1_000)
        assert.deepEqual(ids(await other.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })), [claim.id])
      },
    },
    {
      name: 'opened again, a durable queue is as it was',
      skip: ({ durability }) => (durability === 'none' ? 'it keeps nothing' : undefined),
      async run(scene) {
        const [a] = await scene.push({ payload: '"kept"' }, { delayMs: 60_000 })
        await scene.settle(await scene.claimOne(), { outcome: 'release', delayMs: 0 })
        await scene.queue.close()
        const again = await scene.openAgain()
        const { ready, delayed } = await again.depth()
        assert.deepEqual([ready, delayed], [1, 1])
        const [claim] = await again.claim({ max: 5, leaseMs: 1_000, waitMs: 0 })
        assert.deepEqual([claim?.id, claim?.task.payload], [a, '"kept"'])
      },
    },
  ],
}
