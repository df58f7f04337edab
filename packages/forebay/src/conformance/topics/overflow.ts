import assert from 'node:assert/strict'
import type { Bounds, NewTask, PushResult } from '../../backends/queue-service.ts'
import { type Check, ids, type Scene, type Topic } from '../target.ts'

const skip: Check['skip'] = ({ eviction }) => (eviction ? undefined : 'the engine drops no tasks at a bound')
const OLDEST: Bounds = { maxDepth: 3, overflow: 'drop-oldest' }
const LOWEST: Bounds = { maxDepth: 3, overflow: 'drop-lowest-priority' }

function pushBeyond(scene: Scene, bounds: Bounds, ...fields: Partial<NewTask>[]): Promise<PushResult[]> {
  return scene.queue.push(
    fields.map((some) => scene.task(some)),
    bounds,
  )
}

const droppedBy = (results: readonly PushResult[]) =>
  results.map((result) => (result.status === 'accepted' ? (result.dropped ?? []) : result.status))

function times(count: number, fields: Partial<NewTask>): Partial<NewTask>[] {
  return Array.from({ length: count }, () => fields)
}

async function dropped(scene: Scene): Promise<number | undefined> {
  return (await scene.queue.depth()).totals?.dropped
}

export const overflow: Topic = {
  name: 'overflow',
  checks: [
    {
      name: 'nothing is dropped while there is room',
      skip,
      async run(scene) {
        assert.deepEqual(droppedBy(await pushBeyond(scene, OLDEST, {}, {}, {})), [[], [], []])
        assert.deepEqual([await dropped(scene), (await scene.queue.depth()).ready], [0, 3])
      },
    },
    {
      name: 'the oldest give way one by one, also those of the same batch, and are gone and counted',
      skip,
      async run(scene) {
        const [a, b] = await scene.push({}, {})
        const results = await pushBeyond(scene, OLDEST, {}, {}, {}, {})
        const [c, d, e, f] = results.map((result) => 'id' in result && result.id)
        assert.deepEqual(droppedBy(results), [[], [a], [b], [c]])
        assert.deepEqual(ids(await scene.claim()), [d, e, f])
        assert.equal((await scene.queue.depth()).totals?.accepted, 6)
        assert.equal(await dropped(scene), 3)
        if (scene.queue.capabilities.find) assert.deepEqual(await scene.queue.find([a as string]), [undefined])
      },
    },
    {
      name: 'the oldest is the one that was pushed first, whatever its priority and its key',
      skip,
      async run(scene) {
        const [first] = await scene.push({ priority: 9, key: 'a', weight: 1 }, {}, { key: 'b', weight: 1 })
        assert.deepEqual(droppedBy(await pushBeyond(scene, OLDEST, {})), [[first]])
      },
    },
    {
      name: 'only ready tasks give way; if none is, the newcomer is refused',
      skip,
      async run(scene) {
        await scene.push({})
        const claim = await scene.claimOne()
        await scene.push({ delayMs: 60_000 }, { key: 'k', ordered: scene.queue.capabilities.keyOrder })
        const [ready] = ids(await scene.claim(1, { leaseMs: 100 }))
        assert.deepEqual(await pushBeyond(scene, OLDEST, {}), [{ status: 'full', bound: 'depth' }])
        assert.equal(await dropped(scene), 0)
        await scene.elapse(150)
        assert.deepEqual(droppedBy(await pushBeyond(scene, OLDEST, {})), [[ready]])
        assert.equal(await scene.settle(claim, { outcome: 'complete' }), 'settled')
      },
    },
    {
      name: 'as many give way as the newcomer’s bytes need, and none if that is not enough',
      skip,
      async run(scene) {
        const body = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))
        const bounds: Bounds = { maxBytes: 100, overflow: 'drop-oldest' }
        const [a, b, c] = await scene.push({ payload: body(40) }, { payload: body(30) }, { payload: body(30) })
        const [large] = await pushBeyond(scene, bounds, { payload: body(60) })
        assert.deepEqual(droppedBy([large as PushResult]), [[a, b]])
        assert.deepEqual(await pushBeyond(scene, bounds, { payload: body(101) }), [{ status: 'full', bound: 'bytes' }])
        assert.equal((await scene.queue.depth()).bytes, 90)
        assert.deepEqual(ids(await scene.claim()), [c, (large as { id: string }).id])
        assert.equal(await dropped(scene), 2)
      },
    },
    {
      name: 'the least urgent gives way, the last pushed of them first, if it is less urgent than the newcomer',
      skip: (capabilities, target) =>
        skip(capabilities, target) ?? (capabilities.priority === 'none' ? 'the engine has no priorities' : undefined),
      async run(scene) {
        const [normal, low1, low2] = await scene.push({ priority: 0 }, { priority: -2 }, { priority: -2 })
        const full = [{ status: 'full', bound: 'depth' }]
        assert.deepEqual(await pushBeyond(scene, LOWEST, { priority: -2 }), full)
        const [minus] = await pushBeyond(scene, LOWEST, { priority: -1 })
        assert.deepEqual(droppedBy([minus as PushResult]), [[low2]])
        const results = await pushBeyond(scene, LOWEST, ...times(4, { priority: 5 }))
        assert.deepEqual(droppedBy(results), [[low1], [(minus as { id: string }).id], [normal], 'full'])
      },
    },
    {
      name: 'a repeated push drops nothing',
      skip,
      async run(scene) {
        const task = scene.task()
        await scene.queue.push([task, scene.task(), scene.task()], OLDEST)
        assert.deepEqual(await scene.queue.push([task], OLDEST), [{ status: 'duplicate', id: task.id }])
        assert.equal(await dropped(scene), 0)
      },
    },
    {
      name: 'an ordered task that gives way lets the next one of its key go on',
      skip: (capabilities, target) =>
        skip(capabilities, target) ?? (capabilities.keyOrder ? undefined : 'the engine keeps no order of keys'),
      async run(scene) {
        const ordered = { key: 'k', ordered: true }
        const [first, second] = await scene.push(ordered, ordered)
        const [result] = await pushBeyond(scene, { maxDepth: 2, overflow: 'drop-oldest' }, {})
        assert.deepEqual(droppedBy([result as PushResult]), [[first]])
        assert.deepEqual(ids(await scene.claim()), [second, (result as { id: string }).id])
      },
    },
    {
      name: 'a lost lease’s task that was dropped meanwhile stays gone: its old claim is stale',
      skip,
      async run(scene) {
        await scene.push({})
        const claim = await scene.claimOne({ leaseMs: 100 })
        await scene.elapse(150)
        const [result] = await pushBeyond(scene, { maxDepth: 1, overflow: 'drop-oldest' }, {})
        assert.deepEqual(droppedBy([result as PushResult]), [[claim.id]])
        assert.equal(await scene.settle(claim, { outcome: 'complete' }), 'stale')
        assert.equal((await scene.queue.depth()).ready, 1)
      },
    },
    {
      name: 'concurrent pushes keep the bound and drop each task once',
      skip,
      async run(scene) {
        const other = await scene.openAgain()
        const bounds: Bounds = { maxDepth: 10, overflow: 'drop-oldest' }
        const pushes = Array.from({ length: 30 }, (_, n) =>
          (n % 2 ? scene.queue : other).push([scene.task(), scene.task()], bounds),
        )
        const gone = droppedBy((await Promise.all(pushes)).flat()).flat()
        assert.equal(new Set(gone).size, 50)
        assert.equal(gone.length, 50)
        assert.deepEqual([(await scene.queue.depth()).ready, await dropped(scene)], [10, 50])
      },
    },
  ],
}
