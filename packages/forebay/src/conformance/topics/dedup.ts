import assert from 'node:assert/strict'
import type { Check, Topic } from '../target.ts'

const checks: readonly Check[] = [
  {
    name: 'the same dedup id within its window is answered with the first id',
    async run(scene) {
      const dedup = { id: 'order-42', windowMs: 60_000 }
      const [first] = await scene.push({ dedup })
      assert.deepEqual(await scene.queue.push([scene.task({ dedup })]), [{ status: 'duplicate', id: first }])
      assert.equal((await scene.queue.depth()).ready, 1)
    },
  },
  {
    name: 'also within one batch',
    async run(scene) {
      const dedup = { id: 'order-42', windowMs: 60_000 }
      const [a, b] = [scene.task({ dedup }), scene.task({ dedup })]
      assert.deepEqual(await scene.queue.push([a, b]), [
        { status: 'accepted', id: a.id },
        { status: 'duplicate', id: a.id },
      ])
    },
  },
  {
    name: 'also after the task is completed',
    async run(scene) {
      const dedup = { id: 'order-42', windowMs: 60_000 }
      const [first] = await scene.push({ dedup })
      await scene.settle(await scene.claimOne(), { outcome: 'complete' })
      assert.deepEqual(await scene.queue.push([scene.task({ dedup })]), [{ status: 'duplicate', id: first }])
      assert.deepEqual(await scene.claim(), [])
    },
  },
  {
    name: 'another type or payload is a conflict, and nothing is stored',
    async run(scene) {
      const dedup = { id: 'order-42', windowMs: 60_000 }
      const [id] = await scene.push({ dedup })
      assert.deepEqual(
        await scene.queue.push([scene.task({ dedup, payload: '{"order":43}' }), scene.task({ dedup, type: 'refund' })]),
        [
          { status: 'conflict', id },
          { status: 'conflict', id },
        ],
      )
      assert.equal((await scene.queue.depth()).ready, 1)
    },
  },
  {
    name: 'after the window it is a new task, and a new window',
    async run(scene) {
      const dedup = { id: 'order-42', windowMs: 1_000 }
      await scene.push({ dedup })
      await scene.elapse(1_000)
      const [second] = await scene.push({ dedup, payload: '"another"' })
      const third = scene.task({ dedup, payload: '"another"' })
      assert.deepEqual(await scene.queue.push([third]), [{ status: 'duplicate', id: second }])
      assert.equal((await scene.queue.depth()).ready, 2)
    },
  },
  {
    name: 'a refused task’s dedup id is not remembered',
    skip: ({ bounds }) => (bounds === 'exact' ? undefined : 'the engine keeps bounds only about'),
    async run(scene) {
      await scene.push({})
      const task = scene.task({ dedup: { id: 'order-42', windowMs: 60_000 } })
      assert.deepEqual(await scene.queue.push([task], { maxDepth: 1 }), [{ status: 'full', bound: 'depth' }])
      assert.deepEqual(await scene.queue.push([task], { maxDepth: 2 }), [{ status: 'accepted', id: task.id }])
    },
  },
  {
    name: 'different dedup ids and queues have nothing to do with each other',
    async run(scene) {
      const windowMs = 60_000
      await scene.push({ dedup: { id: 'a', windowMs } }, { dedup: { id: 'b', windowMs } }, {})
      const other = await scene.target.open(`${scene.queueName}-other`)
      try {
        const [result] = await other.push([scene.task({ dedup: { id: 'a', windowMs } })])
        assert.equal(result?.status, 'accepted')
        assert.equal((await other.depth()).ready, 1)
      } finally {
        await other.close()
      }
    },
  },
]

export const dedup: Topic = {
  name: 'dedup',
  checks: checks.map((check) => ({
    ...check,
    skip: (capabilities, target) =>
      capabilities.maxDedupWindowMs < 60_000
        ? 'the engine remembers no dedup ids for so long'
        : check.skip?.(capabilities, target),
  })),
}
