import assert from 'node:assert/strict'
import { type Check, ids, type Topic } from '../target.ts'

const uniqueIds: Check['skip'] = ({ uniqueIds = true }) =>
  uniqueIds ? undefined : 'the engine does not know the ids of its tasks'

export const push: Topic = {
  name: 'push',
  checks: [
    {
      name: 'answers each task of a batch, in order',
      async run(scene) {
        const [a, b] = [scene.task(), scene.task()]
        assert.deepEqual(await scene.queue.push([a, b]), [
          { status: 'accepted', id: a.id },
          { status: 'accepted', id: b.id },
        ])
        assert.equal((await scene.queue.depth()).ready, 2)
      },
    },
    {
      name: 'an id that comes twice in a batch is a duplicate',
      skip: uniqueIds,
      async run(scene) {
        const [a, b] = [scene.task(), scene.task()]
        assert.deepEqual(await scene.queue.push([a, b, a]), [
          { status: 'accepted', id: a.id },
          { status: 'accepted', id: b.id },
          { status: 'duplicate', id: a.id },
        ])
        assert.equal((await scene.queue.depth()).ready, 2)
      },
    },
    {
      name: 'pushes that are under way together are kept in the order of their calls',
      skip: ({ pushesInOrder = false }) =>
        pushesInOrder ? undefined : 'the engine is given one push of a queue at a time',
      async run(scene) {
        const batches = [1, 2, scene.many(1_200), 1, 3].map((count) =>
          Array.from({ length: count }, () => scene.task()),
        )
        await Promise.all(batches.map((batch) => scene.queue.push(batch)))
        const expected = ids(batches.flat())
        const came: string[] = []
        while (came.length < expected.length) {
          const claims = await scene.claim(500)
          assert.ok(claims.length > 0, `${came.length} of ${expected.length} were there`)
          came.push(...ids(claims))
        }
        assert.deepEqual(scene.ordered(came, expected), expected)
      },
    },
    {
      name: 'an empty batch is answered with nothing',
      async run(scene) {
        assert.deepEqual(await scene.queue.push([]), [])
      },
    },
    {
      name: 'what goes in comes out: text of all kinds, key, headers, priority',
      async run(scene) {
        const task = scene.task({
          id: 'id with "quotes" / slash \\ % and ü',
          type: 'type\twith\ttabs',
          payload: JSON.stringify({ text: '🏞 Stausee \u0000 \' " \\ \n', deep: [[[null, true, 1e-9]]] }),
          key: 'tenant-7 ✓',
          priority: -3,
          headers: { traceparent: '00-abc-def-01', 'x-ü': '值' },
        })
        await scene.queue.push([task])
        const claim = await scene.claimOne()
        const { id, type, payload, key, priority, headers } = claim.task
        assert.deepEqual({ id, type, payload, key, priority, headers, delayMs: 0 }, { ...task })
        assert.equal(claim.id, task.id)
      },
    },
    {
      name: 'without key and headers there are none',
      async run(scene) {
        await scene.push({})
        const { task } = await scene.claimOne()
        assert.equal('key' in task, false)
        assert.deepEqual(task.headers, {})
        assert.deepEqual(task.failures, [])
      },
    },
    {
      name: 'a payload of 256 KiB, or the longest that the engine takes, is kept whole',
      async run(scene) {
        const chars = Math.min(256 * 1024, scene.queue.capabilities.maxPayloadBytes - 2)
        const payload = JSON.stringify('0123456789abcdef'.repeat(16 * 1024).slice(0, chars))
        await scene.push({ payload })
        assert.equal((await scene.claimOne()).task.payload, payload)
      },
    },
    {
      name: 'an id that is queued, in flight or dead is a duplicate',
      skip: uniqueIds,
      async run(scene) {
        const task = scene.task()
        const again = { ...task, payload: '"another"' }
        await scene.queue.push([task])
        assert.deepEqual(await scene.queue.push([again]), [{ status: 'duplicate', id: task.id }])
        const claim = await scene.claimOne()
        assert.deepEqual(await scene.queue.push([again]), [{ status: 'duplicate', id: task.id }])
        await scene.settle(claim, { outcome: 'dead', reason: 'refused' })
        assert.deepEqual(await scene.queue.push([again]), [{ status: 'duplicate', id: task.id }])
        assert.equal((await scene.queue.depth()).totals?.accepted ?? 1, 1)
      },
    },
    {
      name: 'an id is free again when its task is gone',
      async run(scene) {
        const task = scene.task()
        await scene.queue.push([task])
        await scene.settle(await scene.claimOne(), { outcome: 'complete' })
        assert.deepEqual(await scene.queue.push([task]), [{ status: 'accepted', id: task.id }])
        assert.equal((await scene.claimOne()).task.attempts, 1)
      },
    },
    {
      name: 'a thousand tasks in one batch are a thousand tasks',
      async run(scene) {
        const count = scene.many(1_000)
        const pushed = await scene.push(...Array.from({ length: count }, (_, n) => ({ payload: String(n) })))
        const claims = await scene.claim(count)
        assert.deepEqual(scene.ordered(ids(claims), pushed), pushed)
        for (const { id, task } of claims) assert.equal(task.payload, String(pushed.indexOf(id)))
      },
    },
    {
      name: 'a task with a delay is not granted before it is due',
      skip: ({ maxDelayMs }) => (maxDelayMs < 1_000 ? 'the engine has no such delays' : undefined),
      async run(scene) {
        const [id] = await scene.push({ delayMs: 1_000 })
        assert.equal((await scene.queue.depth()).delayed, 1)
        assert.deepEqual(await scene.claim(), [])
        if (scene.target.exactTime) {
          await scene.elapse(999)
          assert.deepEqual(await scene.claim(), [])
          await scene.elapse(1)
        } else {
          await scene.elapse(1_100)
        }
        assert.equal((await scene.queue.depth()).ready, 1)
        assert.equal((await scene.claimOne()).id, id)
      },
    },
  ],
}
