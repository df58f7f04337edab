import assert from 'node:assert/strict'
import type { Topic } from '../target.ts'

export const depth: Topic = {
  name: 'depth',
  checks: [
    {
      name: 'a new queue is empty',
      async run(scene) {
        const { ready, delayed, inFlight, dead, oldestReadyAgeMs = 0, bytes = 0 } = await scene.queue.depth()
        assert.deepEqual([ready, delayed, inFlight, dead, oldestReadyAgeMs, bytes], [0, 0, 0, 0, 0, 0])
      },
    },
    {
      name: 'every task is counted where it is',
      async run(scene) {
        await scene.push({}, {}, {}, {}, { delayMs: 60_000 })
        const claims = await scene.claim(2)
        await scene.settle(claims[0] as (typeof claims)[0], { outcome: 'dead', reason: 'refused' })
        const { ready, delayed, inFlight, dead } = await scene.queue.depth()
        assert.deepEqual({ ready, delayed, inFlight, dead }, { ready: 2, delayed: 1, inFlight: 1, dead: 1 })
      },
    },
    {
      name: 'the age is that of the oldest ready task, since it was due',
      skip: (_, { exactTime }) => (exactTime ? undefined : 'ages are only about right on a real clock'),
      async run(scene) {
        await scene.push({ priority: 5 })
        await scene.elapse(100)
        await scene.push({ delayMs: 100 })
        await scene.elapse(300)
        assert.equal((await scene.queue.depth()).oldestReadyAgeMs, 400)
        await scene.claim(1)
        assert.equal((await scene.queue.depth()).oldestReadyAgeMs, 200)
        await scene.claim(1)
        assert.equal((await scene.queue.depth()).oldestReadyAgeMs, 0)
      },
    },
    {
      name: 'queues have nothing to do with each other',
      async run(scene) {
        const other = await scene.target.open(`${scene.queueName}-other`)
        try {
          await scene.push({}, {})
          assert.equal((await other.depth()).ready, 0)
          assert.deepEqual(await other.claim({ max: 1, leaseMs: 1_000, waitMs: 0 }), [])
        } finally {
          await other.close()
        }
      },
    },
  ],
}
