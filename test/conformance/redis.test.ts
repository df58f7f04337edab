/**
 * The scripts of the redis backend on a real server, by a clock that stands still: so the checks that count milliseconds,
 * and the comparison with the model, hold them to the letter. What is as it is in real life: redis.real.test.ts.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { openClocked } from '../servers/clocked-redis.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { testConformance } from './in-vitest.ts'

if (haveRedis('the conformance of the scripts of redis:')) {
  testConformance('redis:, its clock standing still', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-conformance-'))
    const server = await RedisServer.start(folder)
    const clock = new VirtualClock()
    return {
      exactTime: true,
      open: (queue) => openClocked(server.url, queue, clock),
      elapse: (ms) => clock.advance(ms),
      stop: async () => {
        await server.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
}
