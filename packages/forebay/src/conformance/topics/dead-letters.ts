import assert from 'node:assert/strict'
import { failure, ids, type Scene, type Topic } from '../target.ts'

/** Tasks that died, in this order. */
async function kill(scene: Scene, count: number): Promise<string[]> {
  const pushed = await scene.push(...Array.from({ length: count }, () => ({})))
  const claims = await scene.claim(count)
  for (const claim of claims) await scene.settle(claim, { outcome: 'dead', reason: 'refused' })
  return pushed
}

export const deadLetters: Topic = {
  name: 'dead letters',
  checks: [
    {
      name: 'a dead task is kept with its reason and failures, and not granted',
      async run(scene) {
        const [id] = await scene.push({ payload: '"p"' })
        await scene.settle(await scene.claimOne(), { outcome: 'retry', delayMs: 0, failure: failure(1, 'first') })
        const claim = await scene.claimOne()
        await scene.settle(claim, { outcome: 'dead', reason: 'attempts-exhausted', failure: failure(2, 'second') })
        assert.deepEqual(await scene.claim(), [])
        const { dead, inFlight } = await scene.queue.depth()
        assert.deepEqual([dead, inFlight], [1, 0])
        const { items, next } = await scene.queue.dead.list({ limit: 10 })
        assert.equal(next, undefined)
        assert.equal(items.length, 1)
        assert.equal(items[0]?.reason, 'attempts-exhausted')
        assert.ok((items[0]?.deadAt ?? 0) >= (items[0]?.task.createdAt ?? Infinity))
        assert.deepEqual([items[0]?.task.id, items[0]?.task.payload, items[0]?.task.attempts], [id, '"p"', 2])
        if (scene.queue.capabilities.failures) {
          assert.deepEqual(items[0]?.task.failures, [failure(1, 'first'), failure(2, 'second')])
        }
      },
    },
    {
      name: 'pages go from the oldest to the last, each task once',
      async run(scene) {
        const killed = await kill(scene, 7)
        const seen: string[] = []
        const pages: number[] = []
        for (let after: string | undefined, more = true; more; ) {
          const page = await scene.queue.dead.list({ limit: 3, ...(after === undefined ? {} : { after }) })
          seen.push(...ids(page.items.map(({ task }) => task)))
          pages.push(page.items.length)
          after = page.next
          more = after !== undefined
        }
        assert.deepEqual(seen, killed)
        assert.deepEqual(pages, [3, 3, 1])
      },
    },
    {
      name: 'a page goes on where the last one ended, whatever was taken out meanwhile',
      async run(scene) {
        const killed = await kill(scene, 5)
        const { next } = await scene.queue.dead.list({ limit: 2 })
        assert.ok(next)
        await scene.queue.dead.drop(killed.slice(0, 3))
        const { items } = await scene.queue.dead.list({ limit: 9, after: next })
        assert.deepEqual(ids(items.map(({ task }) => task)), killed.slice(3))
      },
    },
    {
      name: 'a redriven task is ready with no attempts and its failures kept',
      async run(scene) {
        const [id] = await scene.push({})
        const claim = await scene.claimOne()
        await scene.settle(claim, { outcome: 'dead', reason: 'refused', failure: failure(1) })
        assert.equal(await scene.queue.dead.redrive([id as string, 'nobody']), 1)
        const { ready, dead } = await scene.queue.depth()
        assert.deepEqual([ready, dead], [1, 0])
        const again = await scene.claimOne()
        assert.equal(again.task.attempts, 1)
        if (scene.queue.capabilities.failures) assert.deepEqual(again.task.failures, [failure(1)])
        assert.equal(await scene.settle(claim, { outcome: 'complete' }), 'stale')
      },
    },
    {
      name: 'a redriven task has its time to live again',
      async run(scene) {
        const [id] = await scene.push({ ttlMs: 1_000 })
        await scene.settle(await scene.claimOne(), { outcome: 'dead', reason: 'refused' })
        await scene.elapse(1_000)
        await scene.queue.dead.redrive([id as string])
        assert.equal((await scene.claimOne()).expired, false)
      },
    },
    {
      name: 'a redrive wakes a waiting claim',
      async run(scene) {
        const [id] = await kill(scene, 1)
        const parked = scene.queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
        await scene.queue.depth()
        await scene.queue.dead.redrive('all')
        assert.deepEqual(ids(await parked), [id])
      },
    },
    {
      name: 'redrive all, drop all, drop some: each says how many',
      async run(scene) {
        const killed = await kill(scene, 6)
        assert.equal(await scene.queue.dead.drop([killed[1] as string, killed[4] as string, 'nobody']), 2)
        assert.equal(await scene.queue.dead.redrive('all'), 4)
        assert.equal(await scene.queue.dead.redrive('all'), 0)
        assert.equal(await scene.queue.dead.drop('all'), 0)
        for (const claim of await scene.claim()) await scene.settle(claim, { outcome: 'dead', reason: 'refused' })
        assert.equal(await scene.queue.dead.drop('all'), 4)
        const { ready, dead, totals } = await scene.queue.depth()
        assert.deepEqual([ready, dead], [0, 0])
        if (totals) assert.deepEqual(totals, { accepted: 6, completed: 0, expired: 0, dropped: 6 })
      },
    },
    {
      name: 'more of them than one transaction takes are all redriven',
      async run(scene) {
        const killed = await scene.push(...Array.from({ length: scene.many(2_500) }, () => ({})))
        const claims = await scene.claim(killed.length)
        await scene.queue.settle(claims.map((claim) => ({ claim, outcome: 'dead', reason: 'refused' })))
        assert.equal(await scene.queue.dead.redrive('all'), killed.length)
        assert.equal((await scene.queue.depth()).ready, killed.length)
      },
    },
  ],
}
