import assert from 'node:assert/strict'
import { failure, ids, type Topic } from '../target.ts'

export const cost: Topic = {
  name: 'cost',
  checks: [
    {
      name: 'comes back with the claim: 1 unless it was told',
      async run(scene) {
        const pushed = await scene.push({ cost: 1_200 }, {}, { cost: 0.25 }, { cost: 1_000_000_000 })
        const claims = await scene.claim()
        const costs = new Map(claims.map(({ id, task }) => [id, task.cost]))
        assert.deepEqual(
          pushed.map((id) => costs.get(id)),
          [1_200, 1, 0.25, 1_000_000_000],
        )
      },
    },
    {
      name: 'stays with the task through a retry, its death and its redrive',
      async run(scene) {
        const [id] = await scene.push({ cost: 7, key: 'a', weight: 2 })
        const first = await scene.claimOne()
        await scene.settle(first, { outcome: 'retry', delayMs: 0, failure: failure(1) })
        const second = await scene.claimOne()
        assert.equal(second.task.cost, 7)
        await scene.settle(second, { outcome: 'dead', reason: 'refused' })
        const { items } = await scene.queue.dead.list({ limit: 10 })
        assert.deepEqual(ids(items.map(({ task }) => task)), [id])
        assert.equal(items[0]?.task.cost, 7)
        await scene.queue.dead.redrive('all')
        assert.equal((await scene.claimOne()).task.cost, 7)
      },
    },
    {
      name: 'is found with the task',
      skip: ({ find }) => (find ? undefined : 'the engine cannot look up a task'),
      async run(scene) {
        const [id] = await scene.push({ cost: 42 })
        const [found] = await scene.queue.find([id as string])
        assert.ok(found && 'task' in found)
        assert.equal(found.task.cost, 42)
      },
    },
  ],
}
