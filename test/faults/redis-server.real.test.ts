/** A server that is well connected and will not: a replica, one without memory, one that forgot its scripts or our words. */

import { expect, test } from 'vitest'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { haveRedis } from '../servers/redis.ts'
import { admin, afterwards, codeOf, open, startServer, task, untilItWorks } from './redis-scene.ts'

const PATIENCE_MS = 10_000
const LARGE = JSON.stringify('x'.repeat(64 * 1024))

if (haveRedis('a Redis server that will not')) {
  test('while the server is a replica all is refused, and a consumer goes on by itself when it is master again', async () => {
    const [server, other] = [await startServer(), await startServer()]
    const queue = await open(server.url)
    const consumed: string[] = []
    const consumer = new LeveledConsumer(await LoadLevelingQueue.open(queue), (one) => {
      consumed.push(one.id)
    })
    const refused = new Promise<void>((resolve) => {
      consumer.on('error', ({ error }) => {
        if (/replica|READONLY/.test(error.message)) resolve()
      })
    })
    await consumer.start()
    afterwards(() => consumer.stop({ graceMs: 0 }))

    await admin(server).replicaof('127.0.0.1', other.port)
    expect(await codeOf(queue.push([task('a')]))).toBe('BACKEND_UNAVAILABLE')
    await refused
    await admin(server).replicaof('NO', 'ONE')
    const start = systemClock.monotonic()
    const completed = new Promise<void>((resolve) => {
      consumer.on('completed', () => resolve())
    })
    await untilItWorks(() => queue.push([task('b')]))
    await completed
    expect(systemClock.monotonic() - start).toBeLessThan(PATIENCE_MS)
    expect(consumed).toEqual(['b'])
  })

  test('a failover to a replica loses nothing that it had, and tokens of before are not given again', async () => {
    const [server, replica] = [await startServer(), await startServer()]
    await admin(server).config('SET', 'repl-diskless-sync-delay', '0')
    await admin(replica).replicaof('127.0.0.1', server.port)
    const queue = await open(server.url)
    await queue.push([task('a'), task('b'), task('c', { delayMs: 60_000 })])
    const [held] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
    await admin(server).wait(1, 5_000)
    await server.stop()
    await admin(replica).replicaof('NO', 'ONE')
    const after = await open(replica.url)
    const { ready, delayed, inFlight } = await after.depth()
    expect([ready, delayed, inFlight]).toEqual([1, 1, 1])
    const [other] = await after.claim({ max: 5, leaseMs: 60_000, waitMs: 0 })
    expect(other?.id).toBe('b')
    expect(other?.token).not.toBe(held?.token)
    // What was held goes on being held: its holder settles it at the new master.
    expect(await after.settle([{ claim: held ?? { id: '', token: '' }, outcome: 'complete' }])).toEqual([
      { status: 'settled' },
    ])
  })

  test('a server without memory refuses what is new with a code, lets all that is there go on, and takes more after it', async () => {
    const server = await startServer('--maxmemory-policy', 'noeviction')
    const queue = await open(server.url)
    const used = Number(/used_memory:(\d+)/.exec(await admin(server).info('memory'))?.[1])
    await admin(server).config('SET', 'maxmemory', String(used + 3 * 1024 * 1024))
    const accepted: string[] = []
    let code: string | undefined
    for (let n = 0; code === undefined; n++) {
      const push = queue.push([task(`t${n}`, { payload: LARGE, priority: n % 2 })])
      await push.then(
        () => accepted.push(`t${n}`),
        (thrown) => {
          code = thrown.code
        },
      )
    }
    expect(code).toBe('BACKEND_UNAVAILABLE')
    expect(accepted.length).toBeGreaterThan(5)
    expect((await queue.depth()).ready).toBe(accepted.length)
    // Grants, extensions, retries, releases, deaths and completions take next to no memory, and give some back.
    const claims = await queue.claim({ max: 5, leaseMs: 60_000, waitMs: 0 })
    expect(claims).toHaveLength(5)
    expect((await queue.extend(claims, 90_000)).map(({ status }) => status)).toEqual(Array(5).fill('extended'))
    const failure = { attempt: 1, at: 0, code: 'Error', message: 'no' }
    const hows = [
      { outcome: 'retry', delayMs: 0, failure },
      { outcome: 'retry', delayMs: 5, failure },
      { outcome: 'release', delayMs: 0 },
      { outcome: 'dead', reason: 'refused' },
      { outcome: 'complete', keep: { result: '1', keepMs: 1_000 } },
    ] as const
    for (const [index, how] of hows.entries()) {
      const claim = claims[index] ?? { id: '', token: '' }
      expect(await queue.settle([{ claim, ...how }])).toEqual([{ status: 'settled' }])
    }
    expect(await queue.dead.redrive('all')).toBe(1)
    const drained = new Set<string>()
    let isNewIn = false
    while (drained.size < accepted.length) {
      const some = await queue.claim({ max: 3, leaseMs: 60_000, waitMs: 1_000 })
      for (const { id } of some) drained.add(id)
      await queue.settle(some.map((claim) => ({ claim, outcome: 'complete' })))
      // There is room again before all is gone.
      if (!isNewIn) {
        isNewIn = await queue.push([task('new', { payload: LARGE })]).then(
          () => true,
          () => false,
        )
      }
    }
    expect([...accepted.filter((id) => id !== claims[4]?.id), 'new'].filter((id) => !drained.has(id))).toEqual([])
    expect((await queue.depth()).bytes).toBe(0)
  })

  test('a server that forgot its scripts is told them again, also many at once', async () => {
    const server = await startServer()
    const queue = await open(server.url)
    await queue.push([task('a')])
    await admin(server).script('FLUSH')
    const many = Array.from({ length: 20 }, (_, n) => queue.push([task(`t${n}`)]))
    for (const results of await Promise.all(many)) expect(results[0]?.status).toBe('accepted')
    await admin(server).script('FLUSH')
    expect(await queue.claim({ max: 100, leaseMs: 1_000, waitMs: 0 })).toHaveLength(21)
  })

  test.each([
    ['the group of those who wait is destroyed', ['XGROUP', 'DESTROY', 'wake', 'parked']],
    ['the consumer’s name is deleted from it', ['XGROUP', 'DELCONSUMER', 'wake', 'parked', 'forebay']],
    ['the stream of words is deleted', ['DEL', 'wake']],
    ['the stream of words is emptied', ['XTRIM', 'wake', 'MAXLEN', '0']],
    ['somebody else takes the word', ['XREADGROUP', 'GROUP', 'parked', 'other', 'NOACK', 'STREAMS', 'wake', '>']],
  ])('%s: nothing is lost, and a parked claim is granted what comes', async (_, command) => {
    const server = await startServer()
    const queue = await open(server.url)
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 30_000 })
    const redis = admin(server)
    // Once it is parked its group is there.
    await untilItWorks(() => redis.xinfo('GROUPS', 'forebay:{faults}:wake'))
    const [name = '', ...args] = command.map((word) => (word === 'wake' ? 'forebay:{faults}:wake' : word))
    await redis.call(name, ...args)
    await queue.push([task('a'), task('b')])
    expect((await parked).map(({ id }) => id)).toEqual(['a'])
    expect((await queue.claim({ max: 5, leaseMs: 60_000, waitMs: 30_000 })).map(({ id }) => id)).toEqual(['b'])
  })

  test('what somebody else has deleted of a task is passed over, and the rest goes on', async () => {
    const server = await startServer()
    const queue = await open(server.url)
    await queue.push([task('a'), task('b'), task('c', { priority: 1 }), task('d', { priority: 1 }), task('e')])
    await admin(server).hdel('forebay:{faults}:bodies', 'a', 'c')
    await admin(server).hdel('forebay:{faults}:states', 'd')
    const claims = await queue.claim({ max: 10, leaseMs: 60_000, waitMs: 0 })
    expect(claims.map(({ id }) => id)).toEqual(['b', 'e'])
    expect(await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))).toEqual(
      claims.map(() => ({ status: 'settled' })),
    )
    expect((await queue.depth()).ready).toBe(0)
  })
}
