/**
 * The indexes by which ready tasks give way. Each is made when a queue of the schema first needs it, so that all others pay nothing
 * for it; beside the work, because that waits for every transaction that is open. Until it is there (or if it can't be made) all is
 * as it is with it, but slower: what gives way is then looked for among all that is ready.
 */

import type { Evicting } from '../eviction.ts'
import type { Database } from './database.ts'
import { GIVING_WAY } from './sql/push-dropping.ts'

const NAMES: Readonly<Record<Evicting, string>> = {
  'drop-oldest': 'waiting_oldest',
  'drop-lowest-priority': 'waiting_lowest',
}

export class EvictionIndexes {
  readonly #database: Pick<Database, 'schema' | 'rows'>
  readonly #making = new Map<Evicting, Promise<void>>()

  constructor(database: Pick<Database, 'schema' | 'rows'>) {
    this.#database = database
  }

  /** Sees to it that there will be one. */
  need(policy: Evicting): void {
    if (!this.#making.has(policy))
      this.#making.set(
        policy,
        this.#make(policy).catch(() => {}),
      )
  }

  async done(): Promise<void> {
    await Promise.all(this.#making.values())
  }

  async #make(policy: Evicting): Promise<void> {
    const { schema } = this.#database
    const name = NAMES[policy]
    const [row] = await this.#database.rows(
      'find eviction index',
      `SELECT i.indisvalid OR EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        FROM pg_index i WHERE i.indexrelid = to_regclass($1)`,
      [`"${schema}".${name}`],
    )
    if (row?.[0] === true) return
    // Somebody gave up while making it.
    if (row) await this.#database.rows(`drop ${name}`, `DROP INDEX CONCURRENTLY IF EXISTS "${schema}".${name}`, [])
    const index = `${name} ON "${schema}".waiting (queue, ${GIVING_WAY[policy]}) WHERE state <> 1`
    await this.#database.rows(`make ${name}`, `CREATE INDEX CONCURRENTLY IF NOT EXISTS ${index}`, [])
  }
}
