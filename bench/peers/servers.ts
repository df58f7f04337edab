/** The servers under the contestants: of our own, on private ports, in a temporary folder. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { PostgresServer, whyNoPostgres } from '../../test/servers/postgres.ts'
import { haveRedis, RedisServer } from '../../test/servers/redis.ts'
import type { Engine } from './contestant.ts'

export interface Server {
  /** Where the next contestant finds nothing of the last one's. */
  freshUrl(): Promise<string>
  stop(): Promise<void>
}

/** Undefined, said aloud, where there is none and none can be installed. */
export async function startServer(engine: Engine, folder: string): Promise<Server | undefined> {
  const own = join(folder, engine)
  if (engine === 'postgres') return postgres()
  await mkdir(own)
  return redis(own)
}

async function redis(folder: string): Promise<Server | undefined> {
  if (!haveRedis('the contestants on Redis')) return undefined
  // As a queue must be configured: appended to disk each second, and nothing evicted.
  const server = await RedisServer.start(folder, ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
  let database = -1
  return {
    freshUrl: async () => `${server.url}/${(database = (database + 1) % 16)}`,
    stop: () => server.stop(),
  }
}

async function postgres(): Promise<Server | undefined> {
  const why = whyNoPostgres()
  if (why !== undefined) {
    console.error(`SKIPPED: the contestants on PostgreSQL, because ${why}`)
    return undefined
  }
  const server = await PostgresServer.start()
  let databases = 0
  return {
    freshUrl: async () => {
      const name = `bench${++databases}`
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      await client.query(`CREATE DATABASE ${name}`)
      await client.end()
      const url = new URL(server.url)
      url.pathname = `/${name}`
      return url.href
    },
    stop: () => server.stop(),
  }
}
