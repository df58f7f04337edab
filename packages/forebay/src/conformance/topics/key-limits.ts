import assert from 'node:assert/strict'
import type { Claim, NewTask } from '../../backends/queue-service.ts'
import { type Check, failure, ids, type Scene, type Topic } from '../target.ts'

const skip: Check['skip'] = ({ keyLimits }) => (keyLimits ? undefined : 'the engine keeps no limits for keys')
const inExactTime: Check['skip'] = (capabilities, target) =>
  skip(capabilities, target) ?? (target.exactTime ? undefined : 'times are only about right on a real clock')
const A = { key: 'a', weight: 1 }
const B = { key: 'b', weight: 1 }
const ONE = { perKey: { concurrency: 1 } }

function times(count: number, fields: Partial<NewTask>): Partial<NewTask>[] {
  return Array.from({ length: count }, () => fields)
}

const keysOf = (claims: readonly Claim[]) => claims.map(({ task }) => task.key).sort()

/** One more grant of each ends one of `claims`, in turn, by each way that a claim can end. */
async function endsMakeRoom(scene: Scene): Promise<void> {
  const ends = [
    { outcome: 'complete' },
    { outcome: 'dead', reason: 'refused' },
    { outcome: 'expire' },
    { outcome: 'retry', delayMs: 60_000, failure: failure(1) },
    { outcome: 'release', delayMs: 60_000 },
  ] as const
  await scene.push(...times(ends.length + 1, A))
  let claim = await scene.claimOne(ONE)
  for (const end of ends) {
    assert.deepEqual(await scene.claim(9, ONE), [])
    assert.equal(await scene.settle(claim, end), 'settled')
    claim = await scene.claimOne(ONE)
  }
}

export const keyLimits: Topic = {
  name: 'key limits',
  checks: [
    {
      name: 'a key has no more in flight than its limit, and holds up no other',
      skip,
      async run(scene) {
        await scene.push(...times(5, A), ...times(2, B))
        const claims = await scene.claim(100, { perKey: { concurrency: 2 } })
        assert.deepEqual(keysOf(claims), ['a', 'a', 'b', 'b'])
        const { ready, inFlight } = await scene.queue.depth()
        assert.deepEqual({ ready, inFlight }, { ready: 3, inFlight: 4 })
        assert.deepEqual(await scene.claim(100, { perKey: { concurrency: 2 } }), [])
      },
    },
    { name: 'whatever ends a claim makes room for the next one', skip, run: endsMakeRoom },
    {
      name: 'a lease that ends makes room: for the same task',
      skip,
      async run(scene) {
        const [first] = await scene.push(A, A)
        assert.equal((await scene.claimOne({ ...ONE, leaseMs: 100 })).id, first)
        await scene.elapse(150)
        assert.equal((await scene.claimOne(ONE)).id, first)
      },
    },
    {
      name: 'an extended lease keeps its room',
      skip,
      async run(scene) {
        await scene.push(A, A)
        const claim = await scene.claimOne({ ...ONE, leaseMs: 5_000 })
        await scene.queue.extend([claim], 60_000)
        assert.deepEqual(await scene.claim(9, ONE), [])
      },
    },
    {
      name: 'a parked claim wakes for a key that has room again, whoever made it',
      skip,
      async run(scene) {
        const other = await scene.openAgain()
        const [, second] = await scene.push(A, A)
        const first = await scene.claimOne(ONE)
        const parked = other.claim({ max: 5, leaseMs: 60_000, waitMs: 60_000, ...ONE })
        await scene.settle(first, { outcome: 'complete' })
        assert.deepEqual(ids(await parked), [second])
      },
    },
    {
      name: 'tasks without a line of their own have no such limit',
      skip,
      async run(scene) {
        await scene.push({}, {}, { key: 'a' }, { key: 'a' })
        assert.equal((await scene.claim(9, ONE)).length, 4)
      },
    },
    {
      name: 'the limits of a claim hold also for what others were granted, and the last claim’s rule',
      skip,
      async run(scene) {
        const other = await scene.openAgain()
        await scene.push(...times(5, A))
        assert.equal((await scene.claim(9, { perKey: { concurrency: 2 } })).length, 2)
        assert.deepEqual(await other.claim({ max: 9, leaseMs: 60_000, waitMs: 0, ...ONE }), [])
        const wider = { max: 9, leaseMs: 60_000, waitMs: 0, perKey: { concurrency: 3 } }
        assert.equal((await other.claim(wider)).length, 1)
        assert.equal((await scene.claim(9)).length, 2)
      },
    },
    {
      name: 'the grants of a key are evenly spaced, whoever asks and for however many',
      skip: inExactTime,
      async run(scene) {
        const request = { perKey: { perSecond: 10 } }
        await scene.push(...times(9, A))
        assert.equal((await scene.claim(9, request)).length, 1)
        await scene.elapse(90)
        assert.equal((await scene.claim(9, request)).length, 0)
        await scene.elapse(10)
        assert.equal((await scene.claim(9, request)).length, 1)
        await scene.elapse(1_000)
        // No burst for what was not asked for.
        assert.equal((await scene.claim(9, request)).length, 1)
      },
    },
    {
      name: 'a parked claim is answered when a key’s rate allows it, without anybody’s doing',
      skip: inExactTime,
      async run(scene) {
        const request = { max: 9, leaseMs: 60_000, waitMs: 5_000, perKey: { perSecond: 2 } }
        await scene.push(...times(3, A))
        await scene.queue.claim(request)
        let isAnswered = false
        const parked = scene.queue.claim(request).finally(() => {
          isAnswered = true
        })
        // A round trip later it is parked.
        await scene.queue.depth()
        await scene.elapse(499)
        await scene.queue.depth()
        assert.equal(isAnswered, false)
        await scene.elapse(1)
        assert.equal((await parked).length, 1)
      },
    },
    {
      name: 'a key’s rate outlives its last task, and holds up no other key',
      skip: inExactTime,
      async run(scene) {
        const request = { perKey: { perSecond: 1 } }
        await scene.push(A)
        await scene.settle(await scene.claimOne(request), { outcome: 'complete' })
        const [, b] = await scene.push(A, B)
        assert.deepEqual(ids(await scene.claim(9, request)), [b])
        await scene.elapse(1_000)
        assert.deepEqual(keysOf(await scene.claim(9, request)), ['a'])
      },
    },
    {
      name: 'after a change of the rate nobody waits longer than the new interval',
      skip: inExactTime,
      async run(scene) {
        await scene.push(...times(4, A))
        await scene.claim(1, { perKey: { perSecond: 1 / 3_600 } })
        const request = { perKey: { perSecond: 10 } }
        assert.deepEqual(await scene.claim(9, request), [])
        await scene.elapse(100)
        assert.equal((await scene.claim(9, request)).length, 1)
        assert.equal((await scene.claim(9)).length, 2)
      },
    },
    {
      name: 'a key between two limits needs room at both',
      skip: inExactTime,
      async run(scene) {
        const request = { perKey: { concurrency: 1, perSecond: 10 } }
        await scene.push(...times(3, A))
        const first = await scene.claimOne(request)
        await scene.elapse(500)
        assert.deepEqual(await scene.claim(9, request), [])
        await scene.settle(first, { outcome: 'complete' })
        await scene.settle(await scene.claimOne(request), { outcome: 'complete' })
        assert.deepEqual(await scene.claim(9, request), [])
        await scene.elapse(100)
        assert.equal((await scene.claim(9, request)).length, 1)
      },
    },
  ],
}
