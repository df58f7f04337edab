import { connect } from '@nats-io/transport-node'
import * as natsPackage from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { DedupIds } from '../../packages/forebay/src/backends/nats/dedup.ts'
import { JetStream } from '../../packages/forebay/src/backends/nats/jetstream.ts'
import { QueueNames } from '../../packages/forebay/src/backends/nats/queue-names.ts'
import { RequestDesk } from '../../packages/forebay/src/backends/nats/request-desk.ts'
import { ServerTime } from '../../packages/forebay/src/backends/nats/server-time.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { haveNats } from '../servers/nats.ts'
import { afterwards, claimOne, drain, open, startServer, task } from './nats-scene.ts'

/** The dedup ids of the queue, as another producer has them. */
async function dedupIds(port: number): Promise<DedupIds> {
  const connection = await connect({ servers: `127.0.0.1:${port}` })
  afterwards(() => connection.close())
  const jetstream = new JetStream(new RequestDesk(connection, natsPackage, systemClock, 5_000))
  const names = new QueueNames('forebay', 'orders')
  const time = new ServerTime(systemClock, jetstream, names.marksStream, names.clock)
  return new DedupIds(jetstream, names, time, async () => expect.unreachable('Nothing is released here.'))
}

if (haveNats('producers of nats: that die, compete or are refused')) {
  test('a producer that died between its dedup id and its task loses neither: the next one stores it in its stead', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    const dedup = { id: 'order-42', windowMs: 60_000 }
    const dead = await dedupIds(server.port)
    expect(await dead.reserve({ ...task('first'), dedup })).toMatchObject({ kind: 'first' })
    const second = { ...task('second'), dedup }
    expect(await queue.push([{ ...second, payload: '"another"' }])).toEqual([{ status: 'conflict', id: 'first' }])
    expect(await queue.push([second])).toEqual([{ status: 'duplicate', id: 'first' }])
    expect(await queue.push([second])).toEqual([{ status: 'duplicate', id: 'first' }])
    const claim = await claimOne(queue)
    expect([claim.id, claim.task.payload]).toEqual(['first', '1'])
    await queue.settle([{ claim, outcome: 'complete' }])
    expect(await queue.push([second, task('first', { dedup })])).toEqual([
      { status: 'duplicate', id: 'first' },
      { status: 'duplicate', id: 'first' },
    ])
    expect(await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })).toEqual([])
  })

  test('the bound of one producer is exact: what is delayed or in flight counts, what is dead or completed does not', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    const dedup = { id: 'order-42', windowMs: 60_000 }
    const statuses = async (...tasks: ReturnType<typeof task>[]) =>
      (await queue.push(tasks, { maxDepth: 3 })).map(({ status }) => status)
    expect(await statuses(task('a'), task('b', { delayMs: 60_000 }), task('c'), task('d', { dedup }))).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'full',
    ])
    // A repeated push is no newcomer, and what was refused is not remembered.
    expect(await statuses(task('a'), task('d', { dedup }))).toEqual(['duplicate', 'full'])
    const claim = await claimOne(queue)
    expect(await statuses(task('d', { dedup }))).toEqual(['full'])
    await queue.settle([{ claim, outcome: 'dead', reason: 'refused' }])
    expect(await statuses(task('d', { dedup }), task('e'))).toEqual(['accepted', 'full'])
    expect(await drain(queue)).toEqual(['c', 'd'])
    expect(await statuses(task('e'), task('f'), task('g'))).toEqual(['accepted', 'accepted', 'full'])
  })

  test('producers who push at the same time exceed the bound by no more than one push each', async () => {
    const server = await startServer()
    const queues = await Promise.all(Array.from({ length: 4 }, () => open(server.port)))
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        queues.map((queue, index) =>
          queue.push([task(`${round}-${index}`), task(`${round}+${index}`)], { maxDepth: 50 }),
        ),
      )
    }
    const { ready } = await (queues[0] as (typeof queues)[0]).depth()
    expect(ready).toBeGreaterThanOrEqual(50)
    expect(ready).toBeLessThan(50 + 2 * queues.length)
  })

  test('bytes are bounded as the store counts them', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    const payload = JSON.stringify('x'.repeat(1_000))
    const tasks = Array.from({ length: 20 }, (_, index) => task(`t${index}`, { payload }))
    const results = await queue.push(tasks.slice(0, 4), { maxBytes: 10_000 })
    expect(results.every(({ status }) => status === 'accepted')).toBe(true)
    const more = await queue.push(tasks.slice(4), { maxBytes: 10_000 })
    expect(more.filter(({ status }) => status === 'accepted').length).toBeLessThan(6)
    expect(more.at(-1)).toEqual({ status: 'full', bound: 'bytes' })
  })
}
