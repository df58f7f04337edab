import assert from 'node:assert/strict'
import type { Check, Topic } from '../target.ts'

const checks: readonly Check[] = [
  {
    name: 'a batch fills the queue to the last task and no further',
    async run(scene) {
      const results = await scene.queue.push([scene.task(), scene.task(), scene.task()], { maxDepth: 2 })
      assert.deepEqual(
        results.map(({ status }) => status),
        ['accepted', 'accepted', 'full'],
      )
      assert.deepEqual(results[2], { status: 'full', bound: 'depth' })
      const { ready, totals } = await scene.queue.depth()
      assert.equal(ready, 2)
      if (totals) assert.equal(totals.accepted, 2)
    },
  },
  {
    name: 'delayed tasks and those in flight count, dead and completed ones do not',
    async run(scene) {
      await scene.push({})
      const claim = await scene.claimOne()
      await scene.push({ delayMs: 60_000 })
      const bounds = { maxDepth: 2 }
      assert.deepEqual(await scene.queue.push([scene.task()], bounds), [{ status: 'full', bound: 'depth' }])
      await scene.settle(claim, { outcome: 'dead', reason: 'refused' })
      assert.equal((await scene.queue.push([scene.task()], bounds))[0]?.status, 'accepted')
      await scene.settle(await scene.claimOne(), { outcome: 'complete' })
      assert.equal((await scene.queue.push([scene.task()], bounds))[0]?.status, 'accepted')
    },
  },
  {
    name: 'bytes are counted as UTF-8, and freed',
    async run(scene) {
      const payload = '"ü€"'
      const bounds = { maxBytes: 20 }
      const push = async () => (await scene.queue.push([scene.task({ payload })], bounds))[0]
      assert.equal((await push())?.status, 'accepted')
      assert.equal((await push())?.status, 'accepted')
      assert.equal((await scene.queue.depth()).bytes, 14)
      assert.deepEqual(await push(), { status: 'full', bound: 'bytes' })
      const [claim] = await scene.claim(1)
      assert.ok(claim)
      await scene.settle(claim, { outcome: 'complete' })
      assert.equal((await scene.queue.depth()).bytes, 7)
      assert.equal((await push())?.status, 'accepted')
    },
  },
  {
    name: 'a smaller task of the batch may still fit',
    async run(scene) {
      const tasks = ['"aaaaaaaa"', '"aaaaaaaa"', '1'].map((payload) => scene.task({ payload }))
      const results = await scene.queue.push(tasks, { maxBytes: 12 })
      assert.deepEqual(
        results.map(({ status }) => status),
        ['accepted', 'full', 'accepted'],
      )
    },
  },
  {
    name: 'a repeated push of a full queue is a duplicate, not full',
    async run(scene) {
      const task = scene.task()
      await scene.queue.push([task], { maxDepth: 1 })
      assert.deepEqual(await scene.queue.push([task], { maxDepth: 1 }), [{ status: 'duplicate', id: task.id }])
    },
  },
  {
    name: 'concurrent pushes never exceed them together',
    async run(scene) {
      const other = await scene.openAgain()
      const pushes = Array.from({ length: 40 }, (_, n) =>
        (n % 2 ? scene.queue : other).push([scene.task(), scene.task(), scene.task()], { maxDepth: 50 }),
      )
      const results = (await Promise.all(pushes)).flat()
      assert.equal(results.filter(({ status }) => status === 'accepted').length, 50)
      assert.equal((await scene.queue.depth()).ready, 50)
    },
  },
]

export const bounds: Topic = {
  name: 'bounds',
  checks: checks.map((check) => ({
    ...check,
    skip: (capabilities) => (capabilities.bounds === 'exact' ? undefined : 'the engine keeps bounds only about'),
  })),
}
