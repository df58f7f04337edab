import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { testConformance } from './in-vitest.ts'

/** A server that is to be used instead of one of our own. */
const given = process.env.FOREBAY_TEST_REDIS_URL

/** Deletes all keys that begin with the prefix. */
async function forgetKeys(url: URL, prefix: string): Promise<void> {
  const { hostname: host, port, username, password, pathname } = url
  const client = new Redis({
    host,
    port: Number(port || 6379),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    db: Number(pathname.slice(1)),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  })
  for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 1_000 })) {
    if (keys.length > 0) await client.unlink(keys as string[])
  }
  client.disconnect()
}

if (given !== undefined || haveRedis('the conformance of redis:')) {
  testConformance('redis:', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-conformance-'))
    const server = given === undefined ? await RedisServer.start(folder) : undefined
    const url = new URL(given ?? (server as RedisServer).url)
    // Under a name of their own, so that nothing of them is left behind and nothing else is touched.
    const prefix = `forebay-conformance-${process.pid}`
    url.searchParams.delete('prefix')
    return {
      exactTime: false,
      open: (queue) => openRedis({ url: url.href, queue, prefix }),
      elapse: (ms) => sleep(systemClock, ms),
      stop: async () => {
        await forgetKeys(url, prefix)
        await server?.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
}
