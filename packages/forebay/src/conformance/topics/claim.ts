import assert from 'node:assert/strict'
import type { Claim } from '../../backends/queue-service.ts'
import { ids, type Scene, type Topic } from '../target.ts'

const WAIT = { leaseMs: 60_000, waitMs: 10_000 }

/** A waiting claim, and whether it has been answered. */
function park(scene: Scene, max = 1, more: { signal?: AbortSignal; waitMs?: number } = {}) {
  const parked = { done: false, claims: scene.queue.claim({ max, ...WAIT, ...more }) }
  const settle = () => {
    parked.done = true
  }
  parked.claims.then(settle, settle)
  return parked
}

/** Everything that was asked before has been seen to by the backend. */
async function roundTrip(scene: Scene): Promise<void> {
  await scene.queue.depth()
  await scene.claim(1)
}

export const claim: Topic = {
  name: 'claim',
  checks: [
    {
      name: 'grants no more than asked for, and nothing twice',
      async run(scene) {
        const pushed = await scene.push({}, {}, {}, {}, {})
        const claims = [await scene.claim(2), await scene.claim(2), await scene.claim(2), await scene.claim(2)]
        assert.deepEqual(
          claims.map(({ length }) => length),
          [2, 2, 1, 0],
        )
        assert.deepEqual(scene.ordered(ids(claims.flat()), pushed), pushed)
      },
    },
    {
      name: 'counts the attempt and names the time of creation',
      async run(scene) {
        await scene.push({})
        const { task, expired, waitedMs } = await scene.claimOne()
        assert.equal(task.attempts, 1)
        assert.equal(expired, false)
        assert.ok(waitedMs >= 0)
        assert.ok(task.createdAt > Date.UTC(2020, 0), `createdAt is ${task.createdAt}`)
      },
    },
    {
      name: 'tells how long the task has been waiting since it was due',
      async run(scene) {
        await scene.push({}, { delayMs: 300 })
        await scene.elapse(1_000)
        const waited = (await scene.claim()).map(({ waitedMs }) => waitedMs).sort((a, b) => b - a)
        const [first = -1, second = -1] = waited
        assert.ok(first >= 1_000 && second >= 650 && first - second >= 250, `they waited ${waited}`)
        if (scene.target.exactTime) assert.deepEqual(waited, [1_000, 700])
      },
    },
    {
      name: 'each grant has a token of its own',
      async run(scene) {
        await scene.push({}, {}, {})
        const first = await scene.claim()
        for (const granted of first) await scene.settle(granted, { outcome: 'release', delayMs: 0 })
        const second = await scene.claim()
        assert.equal(new Set([...first, ...second].map(({ token }) => token)).size, 6)
      },
    },
    {
      name: 'an empty queue answers at once without a wait, and after it with one',
      async run(scene) {
        assert.deepEqual(await scene.claim(), [])
        const parked = park(scene, 1, { waitMs: 500 })
        await roundTrip(scene)
        assert.equal(parked.done, false)
        await scene.elapse(500)
        assert.deepEqual(await parked.claims, [])
      },
    },
    {
      name: 'a waiting claim is granted what is pushed',
      async run(scene) {
        const parked = park(scene)
        await roundTrip(scene)
        const [id] = await scene.push({})
        assert.deepEqual(ids(await parked.claims), [id])
      },
    },
    {
      name: 'a waiting claim is granted what another service of the queue pushes',
      skip: ({ sharedByProcesses, wake }) =>
        sharedByProcesses && wake === 'event' ? undefined : 'the engine does not tell one service of another',
      async run(scene) {
        const other = await scene.openAgain()
        const parked = park(scene)
        await roundTrip(scene)
        const task = scene.task()
        await other.push([task])
        assert.deepEqual(ids(await parked.claims), [task.id])
      },
    },
    {
      name: 'waiting claims are served in the order of their coming',
      skip: ({ wake }) => (wake === 'event' ? undefined : 'the engine is polled: it knows of no waiting claims'),
      async run(scene) {
        const parked = [park(scene), park(scene), park(scene)]
        await roundTrip(scene)
        for (const [index, { claims }] of parked.entries()) {
          const [id] = await scene.push({})
          assert.deepEqual(ids(await claims), [id])
          assert.deepEqual(
            parked.map(({ done }) => done),
            parked.map((_, other) => other <= index),
          )
        }
      },
    },
    {
      name: 'a waiting claim is granted a delayed task when it falls due',
      async run(scene) {
        const [id] = await scene.push({ delayMs: 400 })
        const parked = park(scene)
        await roundTrip(scene)
        assert.equal(parked.done, false)
        await scene.elapse(400)
        assert.deepEqual(ids(await parked.claims), [id])
      },
    },
    {
      name: 'a delayed task that is pushed while a claim waits is granted when it falls due',
      async run(scene) {
        const parked = park(scene)
        await roundTrip(scene)
        const [, soon] = await scene.push({ delayMs: 5_000 }, { delayMs: 300 })
        await roundTrip(scene)
        await scene.elapse(300)
        assert.deepEqual(ids(await parked.claims), [soon])
      },
    },
    {
      name: 'a waiting claim is granted a task whose lease has ended',
      async run(scene) {
        await scene.push({})
        const lost = await scene.claimOne({ leaseMs: 1_000 })
        const parked = park(scene)
        await roundTrip(scene)
        assert.equal(parked.done, false)
        await scene.elapse(1_000)
        const [again] = (await parked.claims) as [Claim]
        assert.equal(again.id, lost.id)
        assert.notEqual(again.token, lost.token)
        assert.equal(again.task.attempts, 2)
      },
    },
    {
      name: 'a waiting claim is granted what is put back',
      async run(scene) {
        await scene.push({})
        const first = await scene.claimOne()
        const parked = park(scene)
        await roundTrip(scene)
        await scene.settle(first, { outcome: 'release', delayMs: 0 })
        assert.deepEqual(ids(await parked.claims), [first.id])
      },
    },
    {
      name: 'an aborted wait ends at once, and what is pushed then is for the next one',
      async run(scene) {
        const controller = new AbortController()
        const parked = park(scene, 1, { signal: controller.signal })
        const next = park(scene)
        await roundTrip(scene)
        controller.abort()
        assert.deepEqual(await parked.claims, [])
        assert.equal(next.done, false)
        const [id] = await scene.push({})
        assert.deepEqual(ids(await next.claims), [id])
      },
    },
    {
      name: 'an abort at the very moment of a grant loses no task',
      async run(scene) {
        const granted: string[] = []
        const pushed: string[] = []
        for (let round = 0; round < 20; round++) {
          const controller = new AbortController()
          const parked = park(scene, 1, { signal: controller.signal })
          const pushing = scene.push({})
          if (round % 2 === 0) await Promise.resolve()
          controller.abort()
          pushed.push(...(await pushing))
          granted.push(...ids(await parked.claims))
        }
        granted.push(...ids(await scene.claim()))
        assert.deepEqual(granted.sort(), pushed.sort())
      },
    },
    {
      name: 'a signal that was aborted before does not wait',
      async run(scene) {
        assert.deepEqual(await scene.claim(1, { waitMs: 10_000, signal: AbortSignal.abort() }), [])
      },
    },
  ],
}
