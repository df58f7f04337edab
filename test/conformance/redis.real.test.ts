import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { testConformance } from './in-vitest.ts'

/** A server that is to be used instead of one of our own. */
const given = process.env.FOREBAY_TEST_REDIS_URL

if (given !== undefined || haveRedis('the conformance of redis:')) {
  testConformance('redis:', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-conformance-'))
    const server = given === undefined ? await RedisServer.start(folder) : undefined
    const url = given ?? (server as RedisServer).url
    return {
      exactTime: false,
      open: (queue) => openRedis({ url, queue }),
      elapse: (ms) => sleep(systemClock, ms),
      stop: async () => {
        await server?.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
}
