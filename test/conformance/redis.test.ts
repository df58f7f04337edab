/**
 * The scripts of the redis backend on a real server, by a clock that stands still: so the checks that count milliseconds,
 * and the comparison with the model, hold them to the letter. What is as it is in real life: redis.real.test.ts.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '../../packages/forebay/src/backends/redis/connection.ts'
import { clientsOfUrl } from '../../packages/forebay/src/backends/redis/redis-clients.ts'
import { RedisQueueService } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import type { Argument, Script } from '../../packages/forebay/src/backends/redis/script.ts'
import { systemClock, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../packages/forebay/src/random.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { testConformance } from './in-vitest.ts'

const TIMEOUT_MS = 5_000
const SERVERS_TIME = "redis.call('TIME')"

/** Runs each script with the time of a clock in the place of the server's. */
class ClockedConnection extends Connection {
  readonly clock = new VirtualClock()

  override run({ text }: Script, key: string, args: readonly Argument[]): Promise<unknown> {
    if (!text.includes(SERVERS_TIME)) throw new Error('A script does not ask for the time as this test expects.')
    const now = this.clock.now()
    const time = `{ '${Math.floor(now / 1_000)}', '${Math.round((now % 1_000) * 1_000)}' }`
    return this.ask((client) => client.eval(text.replace(SERVERS_TIME, time), 1, key, ...args))
  }
}

if (haveRedis('the conformance of the scripts of redis:')) {
  testConformance('redis:, its clock standing still', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-conformance-'))
    const server = await RedisServer.start(folder)
    const make = await clientsOfUrl(server.url, systemRandom)
    const clock = new VirtualClock()
    return {
      exactTime: true,
      open: async (queue) => {
        const commands = Object.assign(new ClockedConnection(make(), systemClock, TIMEOUT_MS), { clock })
        const words = new Connection(make(), systemClock, TIMEOUT_MS)
        await Promise.all([commands.open(), words.open()])
        const key = `forebay:{${queue}}`
        return new RedisQueueService({ commands, words, key, durability: 'process', clock, random: systemRandom })
      },
      elapse: (ms) => clock.advance(ms),
      stop: async () => {
        await server.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
}
