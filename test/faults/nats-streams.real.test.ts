import * as natsPackage from '@nats-io/transport-node'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { JetStream } from '../../packages/forebay/src/backends/nats/jetstream.ts'
import { Patrol } from '../../packages/forebay/src/backends/nats/patrol.ts'
import { QueueNames } from '../../packages/forebay/src/backends/nats/queue-names.ts'
import { RequestDesk } from '../../packages/forebay/src/backends/nats/request-desk.ts'
import { Store } from '../../packages/forebay/src/backends/nats/store.ts'
import { Streams } from '../../packages/forebay/src/backends/nats/streams.ts'
import { type Clock, sleep, systemClock, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../packages/forebay/src/random.ts'
import { haveNats } from '../servers/nats.ts'
import { afterwards, claimOne, drain, open, startServer, task } from './nats-scene.ts'

/** A call of JetStream's API, as an operator's tool makes it. */
type Api = (endpoint: string, body?: object) => Promise<unknown>

async function operator(port: number): Promise<Api & { connection: NatsConnection }> {
  const connection = await connect({ servers: `127.0.0.1:${port}` })
  afterwards(() => connection.close())
  const api = async (endpoint: string, body: object = {}) => {
    const answer = (await connection.request(`$JS.API.${endpoint}`, JSON.stringify(body))).json<{ error?: unknown }>()
    expect(answer.error).toBeUndefined()
    return answer
  }
  return Object.assign(api, { connection })
}

/** The store of the queue, by a clock of the test's. */
async function storeOf(connection: NatsConnection, clock: Clock): Promise<Store> {
  const jetstream = new JetStream(new RequestDesk(connection, natsPackage, systemClock, 5_000))
  const streams = new Streams(jetstream, new QueueNames('forebay', 'orders'), systemRandom, 1)
  return new Store(jetstream, streams, await streams.ensure(), clock)
}

async function tasksStream(api: Api): Promise<string> {
  const { streams } = (await api('STREAM.NAMES', { subject: 'forebay.orders.t.*' })) as { streams: [string] }
  return streams[0]
}

if (haveNats('streams of nats: that somebody else changes')) {
  test('a consumer that is deleted is made anew: nothing is lost, and what is leased stays leased', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const [holder, other] = [await open(server.port), await open(server.port)]
    await holder.push([task('a'), task('b', { delayMs: 300 })])
    const held = await claimOne(holder)
    const parked = other.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    await other.depth()
    await api(`CONSUMER.DELETE.${await tasksStream(api)}.ready`)
    await api('CONSUMER.DELETE.forebay-orders-later.later')
    const [claim] = await parked
    expect(claim?.id).toBe('b')
    expect(await other.claim({ max: 1, leaseMs: 60_000, waitMs: 500 })).toEqual([])
    expect(await holder.settle([{ claim: held, outcome: 'complete' }])).toEqual([{ status: 'settled' }])
  })

  test('streams of notes and marks that are deleted are made anew', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const queue = await open(server.port)
    await queue.push([task('a')])
    for (const stream of ['later', 'dead', 'marks']) await api(`STREAM.DELETE.forebay-orders-${stream}`)
    expect((await queue.depth()).ready).toBe(1)
    await queue.push([task('b', { delayMs: 100 })])
    // One whose grant could not be stored is delivered again after five seconds.
    const claims = [await claimOne(queue), await claimOne(queue)]
    expect(claims.map(({ id }) => id).sort()).toEqual(['a', 'b'])
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'dead', reason: 'refused' })))
    expect((await queue.dead.list({ limit: 9 })).items).toHaveLength(2)
  })

  test('tasks whose notes somebody purged get them again', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const queue = await open(server.port)
    await queue.push([task('a'), task('b'), task('late', { delayMs: 300 })])
    const dead = [await claimOne(queue), await claimOne(queue)]
    await queue.settle(dead.map((claim) => ({ claim, outcome: 'dead', reason: 'refused' })))
    // The consumer has been at all of them, so nothing but their notes points to them.
    expect(await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })).toEqual([])
    for (const stream of ['later', 'dead']) await api(`STREAM.PURGE.forebay-orders-${stream}`)
    expect((await queue.dead.list({ limit: 9 })).items).toEqual([])
    // Whoever opens the queue looks at once; others do so every minute.
    const other = await open(server.port)
    expect((await claimOne(other)).id).toBe('late')
    while ((await other.depth()).dead < 2) await sleep(systemClock, 10)
    expect((await queue.dead.list({ limit: 9 })).items.map((letter) => letter.task.id)).toEqual(['a', 'b'])
  })

  test('a version that the server forgot to deliver is given out in the end, and is nobody’s twice', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const queue = await open(server.port)
    await queue.push([task('a'), task('b')])
    const held = await claimOne(queue)
    // Somebody acknowledges the other one in our stead.
    const name = await tasksStream(api)
    const body = JSON.stringify({ batch: 1, expires: 1e9 })
    const options = { noMux: true, timeout: 2_000 }
    const forgotten = await api.connection.request(`$JS.API.CONSUMER.MSG.NEXT.${name}.ready`, body, options)
    await api.connection.request(forgotten.reply as string, '+ACK')
    expect(await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })).toEqual([])

    const clock = new VirtualClock()
    const patrol = new Patrol(await storeOf(api.connection, clock), clock)
    expect(await patrol.round()).toBe(0)
    await clock.advance(20_000)
    expect(await patrol.round()).toBe(0)
    await clock.advance(20_000)
    expect(await patrol.round()).toBe(1)
    const claim = await claimOne(queue)
    expect([claim.id, claim.task.attempts]).toEqual(['b', 1])
    expect(await queue.settle([held, claim].map((one) => ({ claim: one, outcome: 'complete' })))).toEqual([
      { status: 'settled' },
      { status: 'settled' },
    ])
  })

  test('a deleted stream of tasks is told of once, and made anew; nothing of old settles anything of new', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const [queue, other] = [await open(server.port), await open(server.port)]
    await queue.push([task('a')])
    const held = await claimOne(queue)
    const before = await tasksStream(api)
    await api(`STREAM.DELETE.${before}`)
    await expect(other.push([task('b')])).rejects.toThrow('is gone: somebody deleted it')
    expect(await tasksStream(api)).not.toBe(before)
    await other.push([task('b')])
    // The old stream's first sequence is the new one's, too.
    const settled = await queue.settle([{ claim: held, outcome: 'complete' }])
    expect(settled[0]?.status).not.toBe('settled')
    const thrown = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 5_000 }).catch((reason: unknown) => reason)
    if (thrown instanceof Error) expect(thrown.message).toContain('is gone: somebody deleted it')
    expect((await drain(queue)).length + (Array.isArray(thrown) ? thrown.length : 0)).toBe(1)
  })

  test('a stream that would lose tasks, or a consumer that could not be relied on, keeps the queue from opening', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const config = {
      name: 'mine',
      subjects: ['forebay.orders.t.*'],
      retention: 'limits',
      storage: 'file',
      num_replicas: 1,
    }
    await api('STREAM.CREATE.mine', { ...config, max_age: 60e9, discard: 'new', allow_direct: true })
    const opening = open(server.port)
    await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(opening).rejects.toThrow('its max_age is 60000000000 and must be 0')
    await api('STREAM.UPDATE.mine', { ...config, max_age: 0, discard: 'new', allow_direct: true })
    await api('CONSUMER.DURABLE.CREATE.mine.ready', {
      stream_name: 'mine',
      config: { durable_name: 'ready', ack_policy: 'none', deliver_policy: 'new' },
    })
    await expect(open(server.port)).rejects.toThrow('The consumer ready of the stream mine is configured otherwise')
    await api('CONSUMER.DELETE.mine.ready')
    const queue = await open(server.port)
    await queue.push([task('a')])
    expect(await drain(queue)).toEqual(['a'])
  })

  test('limits that an operator gives the stream refuse newcomers, and drop nothing', async () => {
    const server = await startServer()
    const api = await operator(server.port)
    const queue = await open(server.port)
    await queue.push([task('a')])
    const name = await tasksStream(api)
    const { config } = (await api(`STREAM.INFO.${name}`)) as { config: object }
    // One is the anchor.
    await api(`STREAM.UPDATE.${name}`, { ...config, max_msgs: 3 })
    expect(await queue.push([task('b'), task('c')])).toEqual([
      { status: 'accepted', id: 'b' },
      { status: 'full', bound: 'depth' },
    ])
    expect(await drain(queue)).toEqual(['a', 'b'])
  })

  test('what somebody else wrote where tasks are is told of once, and the queue goes on', async () => {
    const server = await startServer()
    const { connection } = await operator(server.port)
    const queue = await open(server.port)
    await connection.request('forebay.orders.t.stray', 'no task')
    const claiming = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 1_000 })
    await expect(claiming).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' })
    await queue.push([task('a')])
    expect(await drain(queue)).toEqual(['a'])
  })
}
