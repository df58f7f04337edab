import assert from 'node:assert/strict'
import type { Check, Topic } from '../target.ts'

const found: readonly Check[] = [
  {
    name: 'a task is found in each of its states',
    async run(scene) {
      const [ready, delayed] = await scene.push({}, { delayMs: 60_000 })
      const find = async () => (await scene.queue.find([ready as string, delayed as string])).map((task) => task?.state)
      assert.deepEqual(await find(), ['ready', 'delayed'])
      const claim = await scene.claimOne()
      assert.deepEqual(await find(), ['inFlight', 'delayed'])
      await scene.settle(claim, { outcome: 'dead', reason: 'unreadable' })
      const [dead] = await scene.queue.find([ready as string])
      assert.ok(dead?.state === 'dead')
      assert.equal(dead.reason, 'unreadable')
      assert.equal(dead.task.id, ready)
      await scene.queue.dead.drop('all')
      assert.deepEqual(await find(), [undefined, 'delayed'])
    },
  },
  {
    name: 'what has fallen due since is found ready',
    async run(scene) {
      const [delayed] = await scene.push({ delayMs: 500 })
      const [leased] = await scene.push({})
      await scene.claimOne({ leaseMs: 500 })
      await scene.elapse(500)
      const states = (await scene.queue.find([delayed as string, leased as string])).map((task) => task?.state)
      assert.deepEqual(states, ['ready', 'ready'])
    },
  },
  {
    name: 'unknown ids and a completed task without a result are not found, in the order that was asked for',
    async run(scene) {
      const [id, waiting] = await scene.push({}, {})
      const [claim] = await scene.claim(1)
      assert.ok(claim)
      await scene.settle(claim, { outcome: 'complete' })
      const states = (await scene.queue.find(['nobody', waiting as string, id as string])).map((task) => task?.state)
      assert.deepEqual(states, [undefined, 'ready', undefined])
      assert.deepEqual(await scene.queue.find([]), [])
    },
  },
]

const results: readonly Check[] = [
  {
    name: 'a kept result is found for its time',
    async run(scene) {
      const [id] = await scene.push({})
      const keep = { result: '{"charged":true}', keepMs: 1_000 }
      await scene.settle(await scene.claimOne(), { outcome: 'complete', keep })
      const [kept] = await scene.queue.find([id as string])
      assert.ok(kept?.state === 'completed')
      assert.equal(kept.id, id)
      assert.equal(kept.result, keep.result)
      assert.ok(kept.completedAt > Date.UTC(2020, 0))
      await scene.elapse(1_000)
      assert.deepEqual(await scene.queue.find([id as string]), [undefined])
    },
  },
  {
    name: 'a new task of the same id is found before the old one’s result',
    async run(scene) {
      const task = scene.task()
      await scene.queue.push([task])
      await scene.settle(await scene.claimOne(), { outcome: 'complete', keep: { result: '1', keepMs: 60_000 } })
      await scene.queue.push([task])
      assert.equal((await scene.queue.find([task.id]))[0]?.state, 'ready')
      await scene.settle(await scene.claimOne(), { outcome: 'complete', keep: { result: '2', keepMs: 60_000 } })
      const [kept] = await scene.queue.find([task.id])
      assert.ok(kept?.state === 'completed')
      assert.equal(kept.result, '2')
    },
  },
]

export const find: Topic = {
  name: 'find and results',
  checks: [
    ...found.map((check) => ({
      ...check,
      skip: (capabilities: { readonly find: boolean }) =>
        capabilities.find ? undefined : 'the engine can’t look a task up',
    })),
    ...results.map((check) => ({
      ...check,
      skip: (capabilities: { readonly results: boolean }) =>
        capabilities.results ? undefined : 'the engine keeps no results',
    })),
  ],
}
