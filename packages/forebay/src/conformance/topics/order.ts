import assert from 'node:assert/strict'
import { failure, ids, type Topic } from '../target.ts'

const AGEING_MS = 24 * 3_600_000

export const order: Topic = {
  name: 'order',
  checks: [
    {
      name: 'first in, first out, also across batches',
      skip: ({ order }) => (order === 'about' ? 'the engine keeps order only about' : undefined),
      async run(scene) {
        const pushed = [...(await scene.push({}, {}, {})), ...(await scene.push({}, {})), ...(await scene.push({}))]
        assert.deepEqual(ids(await scene.claim()), pushed)
      },
    },
    {
      name: 'a higher priority goes first, equal ones in the order of their coming',
      skip: ({ priority }) => (priority === 'none' ? 'the engine has no priorities' : undefined),
      async run(scene) {
        const { least = -1_000, greatest = 5 } = scene.queue.capabilities.priorities ?? {}
        const [low, a, high, b, lowest] = await scene.push(
          { priority: -1 },
          {},
          { priority: greatest },
          {},
          { priority: least },
        )
        assert.deepEqual(ids(await scene.claim()), [high, a, b, low, lowest])
      },
    },
    {
      name: 'a waiting task is overtaken for a time only',
      skip: ({ priority }, { exactTime }) => {
        if (priority !== 'aged') return 'the engine’s priorities do not age'
        return exactTime ? undefined : 'it would take a day'
      },
      async run(scene) {
        const [patient] = await scene.push({ priority: 0 })
        await scene.elapse(AGEING_MS)
        const [urgent] = await scene.push({ priority: 10 })
        assert.deepEqual(ids(await scene.claim()), [patient, urgent])
      },
    },
    {
      name: 'a retried task keeps its place',
      skip: ({ priority }) => (priority === 'aged' ? undefined : 'the engine puts it at the end'),
      async run(scene) {
        const [a, b, c] = await scene.push({}, {}, {})
        const [claim] = await scene.claim(1)
        assert.equal(claim?.id, a)
        await scene.settle(claim as NonNullable<typeof claim>, { outcome: 'retry', delayMs: 100, failure: failure(1) })
        await scene.elapse(100)
        const [d] = await scene.push({})
        assert.deepEqual(ids(await scene.claim()), [a, b, c, d])
      },
    },
    {
      name: 'a delayed task goes before those that came after it, once it is due',
      skip: ({ priority }) => (priority === 'aged' ? undefined : 'the engine orders by the due time'),
      async run(scene) {
        const [late] = await scene.push({ delayMs: 100 })
        await scene.elapse(50)
        const [early] = await scene.push({})
        await scene.elapse(50)
        assert.deepEqual(ids(await scene.claim()), [late, early])
      },
    },
  ],
}
