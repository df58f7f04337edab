/** Removes whole queues and all that belongs to them, as one does that were made for a test. Nobody may be using them. */

import type { Clock } from '../../clock.ts'
import type { RandomSource } from '../../random.ts'
import { Connection } from './connection.ts'
import { DEFAULT_PREFIX, keyOf } from './queue-keys.ts'
import { clientsOf, type RedisClient } from './redis-clients.ts'
import { parseRedisUrl } from './redis-url.ts'

const TIMEOUT_MS = 5_000

const LOOKED_AT_ONCE = 1_000

/** @throws ForebayError `BACKEND_UNAVAILABLE`, `INVALID_URL`, `MISSING_PACKAGE` */
export async function removeRedisQueues(
  url: string,
  queues: readonly string[],
  { clock, random }: { readonly clock: Clock; readonly random: RandomSource },
): Promise<void> {
  const address = parseRedisUrl(url)
  const make = await clientsOf(address, random)
  const prefix = address.prefix ?? DEFAULT_PREFIX
  const names = new Set(queues.map((queue) => keyOf(prefix, queue)))
  const connection = new Connection(make(), clock, TIMEOUT_MS)
  try {
    await connection.open()
    const { client } = connection
    const nodes: readonly RedisClient[] = 'nodes' in client ? client.nodes('master') : [client]
    for (const node of nodes) await removeFrom(node, connection, prefix, names)
  } finally {
    connection.drop()
  }
}

/** A queue's lines, turns, dedup ids and results have names that only they know, so all keys are looked at. */
async function removeFrom(
  node: RedisClient,
  connection: Connection,
  prefix: string,
  names: ReadonlySet<string>,
): Promise<void> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}:{*`
  let cursor = '0'
  do {
    const [next, keys] = await connection.ask(() => node.scan(cursor, 'MATCH', pattern, 'COUNT', LOOKED_AT_ONCE))
    cursor = next
    for (const key of keys) {
      // One by one: keys of several queues are in several slots of a cluster.
      if (names.has(queueOf(key, prefix))) await connection.ask(() => node.unlink(key))
    }
  } while (cursor !== '0')
}

/** What all keys of its queue begin with; a queue's name has no closing brace in it. */
function queueOf(key: string, prefix: string): string {
  return key.slice(0, key.indexOf('}', prefix.length) + 1)
}
