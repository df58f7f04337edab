/** A Redis Cluster of three masters: a queue lives in one slot, wherever that is. */

import { Cluster, type Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeQueues } from '../../packages/forebay/src/backends/remove-queues.ts'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { freePort } from '../servers/free-ports.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { admin, afterwards, open, task, untilItWorks } from './redis-scene.ts'

const SLOTS = 16_384
const PATIENCE_MS = 10_000

const servers: RedisServer[] = []
const folders: string[] = []

async function startCluster(): Promise<void> {
  const busPorts: number[] = []
  for (let node = 0; node < 3; node++) {
    const folder = mkdtempSync(join(tmpdir(), 'forebay-cluster-'))
    folders.push(folder)
    const busPort = await freePort()
    busPorts.push(busPort)
    const settings = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000']
    servers.push(await RedisServer.start(folder, settings))
  }
  const [first, ...others] = servers.map(admin) as [Redis, ...Redis[]]
  for (const [index, node] of [first, ...others].entries()) {
    const from = Math.floor((index * SLOTS) / 3)
    await node.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((index + 1) * SLOTS) / 3) - 1)
  }
  for (const [index, server] of servers.entries()) {
    if (index > 0) await first.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPorts[index] as number)
  }
  for (const node of [first, ...others]) {
    while (!/cluster_state:ok/.test(String(await node.call('CLUSTER', 'INFO')))) await sleep(systemClock, 50)
    while (!/cluster_known_nodes:3/.test(String(await node.call('CLUSTER', 'INFO')))) await sleep(systemClock, 50)
  }
}

/** Moves all that is in the key's slot to another node, as an operator does; answers that node. */
async function moveSlotOf(key: string): Promise<void> {
  const nodes = servers.map(admin)
  const slot = Number(await nodes[0]?.call('CLUSTER', 'KEYSLOT', key))
  const ids = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'MYID') as Promise<string>))
  const at = Math.floor((slot * 3) / SLOTS)
  const to = (at + 1) % 3
  await nodes[to]?.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[at] as string)
  await nodes[at]?.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] as string)
  for (;;) {
    const keys = (await nodes[at]?.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[]
    if (keys.length === 0) break
    await nodes[at]?.call('MIGRATE', '127.0.0.1', servers[to]?.port as number, '', 0, 5_000, 'KEYS', ...keys)
  }
  for (const node of nodes) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] as string)
}

if (haveRedis('a Redis Cluster')) {
  beforeAll(startCluster)
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })

  test('queues in all parts of the cluster work as anywhere: delays, order, dedup, results, waking', async () => {
    const [server] = servers as [RedisServer]
    for (const name of ['orders', 'mails', 'images', 'reports']) {
      const url = `${server.url}?cluster=true`
      const [queue, other] = [await open(url, { queue: name }), await open(url, { queue: name })]
      const parked = other.claim({ max: 10, leaseMs: 60_000, waitMs: 10_000 })
      const fields = { key: 'k', ordered: true, dedup: { id: 'd', windowMs: 60_000 } }
      expect((await queue.push([task('a', fields)]))[0]?.status).toBe('accepted')
      const [claim] = await parked
      expect(claim?.id).toBe('a')
      await queue.push([
        task('b', { priority: 3 }),
        task('c', { key: 'k', ordered: true }),
        task('d', { delayMs: 100 }),
      ])
      const keep = { result: '1', keepMs: 60_000 }
      expect(await other.settle([{ claim: claim ?? { id: '', token: '' }, outcome: 'complete', keep }])).toEqual([
        { status: 'settled' },
      ])
      expect((await queue.find(['a', 'c'])).map((found) => found?.state)).toEqual(['completed', 'ready'])
      expect(await queue.push([task('e', fields)])).toEqual([{ status: 'duplicate', id: 'a' }])
      const got: string[] = []
      while (got.length < 3) {
        got.push(...(await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 1_000 })).map(({ id }) => id))
      }
      expect(got).toEqual(['b', 'c', 'd'])
      const limits = [{ perSecond: 10, burst: 0, counts: 'tasks' as const }]
      const step = { kind: 'reserve', limits, rampMs: 0, costs: 1, charge: 0, leadMs: 0, horizonMs: 250 } as const
      expect((await queue.shared.apply('flow', step)).result.at).toHaveLength(1)
    }
  })

  test('a client of a cluster can be handed in', async () => {
    const client = new Cluster([{ host: '127.0.0.1', port: servers[1]?.port as number }])
    afterwards(() => client.disconnect())
    const queue = await openRedis({ client, queue: 'handed' })
    afterwards(() => queue.close())
    await queue.push([task('a')])
    expect(await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 1_000 })).toHaveLength(1)
  })

  test('queues are removed from all masters, and others are left', async () => {
    const url = `${servers[0]?.url}?cluster=true&prefix=removing`
    const names = Array.from({ length: 12 }, (_, number) => `made-${number}`)
    const keysOf = async (name: string) => {
      const keys = await Promise.all(servers.map((server) => admin(server).keys(`removing:{${name}}*`)))
      return keys.map((some) => some.length)
    }
    const counts: number[][] = []
    for (const name of [...names, 'kept']) {
      const queue = await open(url, { queue: name })
      // What is in flight together is not in order here, where a node may send one call on to another.
      expect(queue.capabilities.pushesInOrder).toBe(false)
      await queue.push([task('a', { dedup: { id: 'd', windowMs: 60_000 } })])
      counts.push(await keysOf(name))
    }
    // They lie in all three.
    for (const node of [0, 1, 2]) expect(Math.max(...counts.map((all) => all[node] ?? 0))).toBeGreaterThan(2)
    expect(await removeQueues(url, names)).toBe(true)
    for (const name of names) expect(await keysOf(name)).toEqual([0, 0, 0])
    expect(await keysOf('kept')).toEqual(counts.at(-1))
  })

  test('a queue whose slot is moved to another node goes on there, with all that it had', async () => {
    const queue = await open(`${servers[0]?.url}?cluster=true`, { queue: 'moved' })
    await queue.push([task('a'), task('b', { priority: 1 }), task('c', { delayMs: 60_000 })])
    const [held] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
    await moveSlotOf('forebay:{moved}')
    expect(await untilItWorks(() => queue.push([task('d')]))).toBeLessThan(PATIENCE_MS)
    expect(await queue.settle([{ claim: held ?? { id: '', token: '' }, outcome: 'complete' }])).toEqual([
      { status: 'settled' },
    ])
    const { ready, delayed, inFlight, totals } = await queue.depth()
    expect([ready, delayed, inFlight, totals?.completed]).toEqual([2, 1, 0, 1])
    const parked = queue.claim({ max: 5, leaseMs: 60_000, waitMs: 10_000 })
    expect((await parked).map(({ id }) => id)).toEqual(['a', 'd'])
    const again = queue.claim({ max: 5, leaseMs: 60_000, waitMs: 10_000 })
    await queue.push([task('e')])
    expect((await again).map(({ id }) => id)).toEqual(['e'])
  })

  test('a node that is killed and comes back is found again within 10 s', async () => {
    const queue = await open(`${servers[0]?.url}?cluster=true`, { queue: 'orders' })
    for (const server of servers.slice(1)) {
      await server.stop('SIGKILL')
      await server.start()
    }
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(PATIENCE_MS)
  })
}
