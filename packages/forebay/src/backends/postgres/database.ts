/**
 * One database as this process uses it: a pool of connections and one that listens, shared by all queues that are opened on it,
 * and let go of when the last of them is closed.
 */

import type { Clock } from '../../clock.ts'
import type { RandomSource } from '../../random.ts'
import { Connections, type Statement } from './connections.ts'
import { loadDriver, type PgPool } from './driver.ts'
import { migrate } from './migrations.ts'
import { fromPostgres } from './postgres-errors.ts'
import { whereOf } from './postgres-url.ts'
import { checkServer } from './server-check.ts'
import { WorkListener } from './work-listener.ts'
import { WorkNews } from './work-news.ts'

const KEEPALIVE_MS = 10_000

/** Where the database is: behind a URL, or behind the user's own pool. */
export type Source = { readonly url: string; readonly connections: number } | { readonly pool: PgPool }

export interface DatabaseOptions {
  readonly source: Source
  readonly schema: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly random: RandomSource
}

/** By URL or pool, then by everything else that makes a difference. */
const databases = new Map<unknown, Map<string, Promise<Database>>>()

export class Database {
  readonly schema: string
  readonly durability: 'process' | 'disk'
  readonly listener: WorkListener
  readonly #connections: Connections
  readonly #isOurs: boolean
  readonly #clock: Clock
  /** Tells this process's announcements from others'. */
  readonly #name: string
  readonly #news = new Map<number, WorkNews>()
  readonly #forget: () => void
  #users = 0

  private constructor(options: DatabaseOptions, ready: Ready, forget: () => void) {
    this.schema = options.schema
    this.durability = ready.durability
    this.listener = ready.listener
    this.#connections = ready.connections
    this.#isOurs = 'url' in options.source
    this.#clock = options.clock
    this.#name = Buffer.from(options.random.bytes(9)).toString('base64url')
    this.#forget = forget
  }

  /**
   * The database, its schema up to date; `release` it when done.
   * @throws ForebayError whatever keeps it from being opened.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { source, schema, timeoutMs } = options
    const key = 'pool' in source ? source.pool : source.url
    const rest = JSON.stringify([schema, timeoutMs, 'pool' in source ? 0 : source.connections])
    const same = databases.get(key) ?? new Map<string, Promise<Database>>()
    databases.set(key, same)
    const forget = () => {
      same.delete(rest)
      if (same.size === 0 && databases.get(key) === same) databases.delete(key)
    }
    const opening = same.get(rest) ?? makeReady(options).then((ready) => new Database(options, ready, forget))
    same.set(rest, opening)
    try {
      const database = await opening
      database.#users++
      return database
    } catch (thrown) {
      forget()
      throw thrown
    }
  }

  /** What is heard of work in a queue, and told of it. */
  newsOf(queue: number): WorkNews {
    const news = this.#news.get(queue) ?? new WorkNews(this, queue, this.#clock, this.#name)
    this.#news.set(queue, news)
    return news
  }

  /** The number of a queue, which is made if it does not exist. */
  async queueNumber(name: string): Promise<number> {
    const find = `SELECT id FROM "${this.schema}".queues WHERE name = $1`
    const add = `INSERT INTO "${this.schema}".queues (name) VALUES ($1) ON CONFLICT DO NOTHING`
    for (;;) {
      const [row] = await this.rows('find queue', find, [name])
      if (row) return row[0] as number
      await this.rows('add queue', add, [name])
    }
  }

  /** Calls a function of the schema; its rows. */
  call(name: string, values: unknown[]): Promise<unknown[][]> {
    return this.#connections.rows(callOf(this.schema, name, values))
  }

  /** @param name Of the statement, among those of the schema. */
  rows(name: string, text: string, values: unknown[]): Promise<unknown[][]> {
    return this.#connections.rows({ name: `${this.schema} ${name}`, text, values })
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return
    this.#forget()
    await Promise.all([...this.#news.values()].map((news) => news.done()))
    await this.listener.close()
    await this.#connections.end(this.#isOurs)
  }
}

/** A call of a function of the schema. */
export function callOf(schema: string, name: string, values: unknown[]): Statement {
  const parameters = values.map((_, index) => `$${index + 1}`).join(', ')
  return { name: `${schema} ${name}`, text: `SELECT * FROM "${schema}".${name}(${parameters})`, values }
}

interface Ready {
  readonly connections: Connections
  readonly listener: WorkListener
  readonly durability: 'process' | 'disk'
}

async function makeReady({ source, schema, timeoutMs, clock, random }: DatabaseOptions): Promise<Ready> {
  const driver = await loadDriver()
  const isOurs = 'url' in source
  const where = isOurs ? whereOf(source.url) : 'the given pool'
  const pool = isOurs ? new driver.Pool(poolOptions(source, timeoutMs)) : source.pool
  const connections = new Connections({ pool, where, timeoutMs, clock, random })
  try {
    const durability = await connections.use(async (client) => {
      const survives = await checkServer(client)
      await migrate(client, schema)
      // After a restore into another cluster its transaction ids may be behind those that were counted already.
      await client.query({
        text: `UPDATE "${schema}".queues SET through = '0' WHERE through > pg_snapshot_xmax(pg_current_snapshot())`,
      })
      return survives
    })
    const alive = { keepAlive: true, keepAliveInitialDelayMillis: KEEPALIVE_MS }
    const connect = () => new driver.Client({ ...clientOptions(pool), ...alive })
    return { durability, connections, listener: new WorkListener({ connect, timeoutMs, clock, random }) }
  } catch (thrown) {
    await connections.end(isOurs)
    throw fromPostgres(thrown, where)
  }
}

/** A copy that has the password too, which pools hide from those who look at them. */
function clientOptions({ options }: PgPool): object {
  return { ...options, ...('password' in options ? { password: options.password } : {}) }
}

function poolOptions(source: { readonly url: string; readonly connections: number }, timeoutMs: number): object {
  return {
    connectionString: source.url,
    application_name: 'forebay',
    max: source.connections,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    // An idle queue does not keep the process alive.
    allowExitOnIdle: true,
  }
}
