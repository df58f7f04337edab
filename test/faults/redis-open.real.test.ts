/** Which servers a queue may be kept on, what they promise, and what else can be wrong at the start. */

import { spawnSync } from 'node:child_process'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { haveRedis } from '../servers/redis.ts'
import { admin, afterwards, codeOf, open, startServer, SYNCED, task } from './redis-scene.ts'

const BACKEND = new URL('../../packages/forebay/src/backends/redis/redis-queue-service.ts', import.meta.url).href

/** Makes every import of ioredis fail, as it does where it was not installed. */
const WITHOUT_CLIENT = `
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'ioredis') throw new Error('Cannot find package')
      return next(specifier, context)
    },
  })
`

test('without ioredis the error is MISSING_PACKAGE and says what to install', () => {
  const preload = `data:text/javascript,${encodeURIComponent(WITHOUT_CLIENT).replaceAll("'", '%27')}`
  const program = `
    const { openRedis } = await import(${JSON.stringify(BACKEND)})
    await openRedis({ url: 'redis://127.0.0.1:1' })
  `
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: `--import=${preload}` },
  })
  expect(status).not.toBe(0)
  expect(stderr).toContain('MISSING_PACKAGE')
  expect(stderr).toContain('npm install ioredis')
})

if (haveRedis('which Redis servers are taken')) {
  test.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random', 'volatile-lfu'])(
    'a server that evicts keys (%s) is refused, and told how to be set',
    async (policy) => {
      const server = await startServer('--maxmemory-policy', policy)
      await expect(open(server.url)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      await expect(open(server.url)).rejects.toThrow(`maxmemory-policy ${policy}`)
      await admin(server).config('SET', 'maxmemory-policy', 'noeviction')
      expect((await open(server.url)).backend).toBe('redis')
    },
  )

  test.each([
    [[], 'process'],
    [['--appendonly', 'yes'], 'process'],
    [['--appendonly', 'yes', '--appendfsync', 'everysec'], 'process'],
    [[...SYNCED, '--no-appendfsync-on-rewrite', 'yes'], 'process'],
    [SYNCED, 'disk'],
  ])('a server with %j promises %s', async (settings, durability) => {
    const server = await startServer(...settings)
    expect((await open(server.url)).capabilities.durability).toBe(durability)
  })

  test('where CONFIG is forbidden the least is promised, and evicting is seen all the same', async () => {
    const server = await startServer(...SYNCED, '--maxmemory-policy', 'allkeys-lru')
    await admin(server).acl('SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-config')
    const url = server.url.replace('redis://', 'redis://app:secret@')
    expect(await codeOf(open(url))).toBe('UNSUPPORTED')
    await admin(server).config('SET', 'maxmemory-policy', 'noeviction')
    expect((await open(url)).capabilities.durability).toBe('process')
  })

  test('a wrong password is told as such, and not repeated', async () => {
    const server = await startServer('--requirepass', 'right')
    const url = (password: string) => server.url.replace('redis://', `redis://:${password}@`)
    await expect(open(url('wrong-password'))).rejects.toThrow(/WRONGPASS/)
    await expect(open(url('wrong-password'))).rejects.not.toThrow(/wrong-password/)
    expect((await open(url('right'))).backend).toBe('redis')
  })

  test('a client that is handed in is left alone, with what it was told and what it tells', async () => {
    const server = await startServer()
    const client = new Redis(server.port, '127.0.0.1', { db: 3, keyPrefix: 'app:', replyMapping: 'resp3' })
    afterwards(() => client.disconnect())
    const queue = await openRedis({ client, queue: 'faults' })
    await queue.push([task('a')])
    const parked = queue.claim({ max: 5, leaseMs: 1_000, waitMs: 1_000 })
    expect((await parked).map(({ id }) => id)).toEqual(['a'])
    await queue.close()
    expect(await client.keys('*')).toContain('app:forebay:{faults}:bodies')
    expect(client.status).toBe('ready')
  })

  test('queues by other prefixes and names have nothing to do with each other, whatever the names', async () => {
    const server = await startServer()
    const names = ['a', 'b', '{a}', 'a}', '%7Ba', '%', '']
    const queues = await Promise.all(names.map((queue) => open(server.url, { queue })))
    queues.push(await open(`${server.url}?prefix=other`, { queue: 'a' }))
    for (const [index, queue] of queues.entries()) await queue.push([task(`t${index}`)])
    for (const [index, queue] of queues.entries()) {
      const claims = await queue.claim({ max: 10, leaseMs: 1_000, waitMs: 0 })
      expect(claims.map(({ id }) => id)).toEqual([`t${index}`])
    }
  })

  test('a closed queue leaves no connection, timer or listener behind', async () => {
    const server = await startServer()
    const program = `
      const { openRedis } = await import(${JSON.stringify(BACKEND)})
      const queue = await openRedis({ url: ${JSON.stringify(server.url)}, queue: 'faults' })
      await queue.push([{ id: 'a', type: 't', payload: '1', priority: 0, delayMs: 0 }])
      const parked = queue.claim({ max: 2, leaseMs: 60_000, waitMs: 60_000 })
      const more = queue.claim({ max: 2, leaseMs: 60_000, waitMs: 60_000 })
      await parked
      await queue.close()
      await more
    `
    const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: 'inherit',
      timeout: 20_000,
    })
    expect(status).toBe(0)
  })
}
