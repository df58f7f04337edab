/** Queues on a real Redis server whose scripts take the time from a clock of the test's, and not from the server's. */

import { Connection } from '../../packages/forebay/src/backends/redis/connection.ts'
import { clientsOf } from '../../packages/forebay/src/backends/redis/redis-clients.ts'
import { keyOf } from '../../packages/forebay/src/backends/redis/queue-keys.ts'
import { RedisQueueService } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { parseRedisUrl } from '../../packages/forebay/src/backends/redis/redis-url.ts'
import type { Argument, Script } from '../../packages/forebay/src/backends/redis/script.ts'
import { type Clock, systemClock } from '../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../packages/forebay/src/random.ts'

const TIMEOUT_MS = 5_000
const SERVERS_TIME = "redis.call('TIME')"

class ClockedConnection extends Connection {
  clock: Clock = systemClock

  override run({ text }: Script, key: string, args: readonly Argument[]): Promise<unknown> {
    if (!text.includes(SERVERS_TIME)) throw new Error('A script does not ask for the time as this connection expects.')
    const now = this.clock.now()
    const time = `{ '${Math.floor(now / 1_000)}', '${Math.round((now % 1_000) * 1_000)}' }`
    return this.ask((client) => client.eval(text.replace(SERVERS_TIME, time), 1, key, ...args))
  }
}

/** @param clock Its `now()` stands for the server's time. */
export async function openClocked(url: string, queue: string, clock: Clock): Promise<RedisQueueService> {
  const make = await clientsOf(parseRedisUrl(url), systemRandom)
  const commands = Object.assign(new ClockedConnection(make(), systemClock, TIMEOUT_MS), { clock })
  const words = new Connection(make(), systemClock, TIMEOUT_MS)
  await commands.open()
  const key = keyOf('forebay', queue)
  return new RedisQueueService({ commands, words, key, durability: 'process', clock, random: systemRandom })
}
