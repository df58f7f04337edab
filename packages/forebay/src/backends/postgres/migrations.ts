/**
 * The versions of the schema. Each is applied once, in one transaction, by whoever comes first; the others wait for it at an
 * advisory lock and find it done. What is there already is read without a lock.
 */

import { ForebayError } from '../../errors.ts'
import type { PgQueryable } from './driver.ts'
import { ahead } from './sql/ahead.ts'
import { unfold } from './sql/blocks.ts'
import { claim } from './sql/claim.ts'
import { complete } from './sql/complete.ts'
import { dead } from './sql/dead.ts'
import { keyOrder } from './sql/key-order.ts'
import { updateLines } from './sql/lines.ts'
import { looking } from './sql/looking.ts'
import { pickInTurn } from './sql/pick-in-turn.ts'
import { push } from './sql/push.ts'
import { pushDropping } from './sql/push-dropping.ts'
import { settle } from './sql/settle.ts'
import { tables } from './sql/tables.ts'
import { upkeep } from './sql/upkeep.ts'

const first = (s: string): string =>
  [
    tables,
    unfold,
    looking,
    keyOrder,
    push,
    pushDropping,
    updateLines,
    pickInTurn,
    claim,
    ahead,
    settle,
    complete,
    dead,
    upkeep,
  ]
    .map((part) => part(s))
    .join('\n')

/** The statements of version 1, 2, ..., each for the quoted name of a schema. */
const VERSIONS: readonly ((s: string) => string)[] = [first]

/**
 * Brings the schema to the version that this code knows.
 * @throws ForebayError UNSUPPORTED if it is newer, INVALID_URL if it is another application's; or the server's own error.
 */
export async function migrate(client: PgQueryable, schema: string): Promise<void> {
  if ((await versionOf(client, schema)) === VERSIONS.length) return
  try {
    await client.query({ text: 'BEGIN' })
    await client.query({ text: `SELECT pg_advisory_xact_lock(hashtextextended('forebay schema ${schema}', 0))` })
    await apply(client, schema)
    await client.query({ text: 'COMMIT' })
  } catch (thrown) {
    // If that fails too, the connection is broken, and the server has rolled it back.
    await client.query({ text: 'ROLLBACK' }).catch(() => {})
    throw thrown
  }
}

async function apply(client: PgQueryable, schema: string): Promise<void> {
  const version = await versionOf(client, schema)
  if (version === undefined) {
    const isThere = await exists(client, `pg_namespace WHERE nspname = '${schema}'`)
    if (!isThere) await client.query({ text: `CREATE SCHEMA "${schema}"` })
    await client.query({
      text: `CREATE TABLE "${schema}".migrations (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())`,
    })
  }
  for (const [index, statements] of VERSIONS.entries()) {
    if (index < (version ?? 0)) continue
    await client.query({ text: statements(`"${schema}"`) })
    await client.query({ text: `INSERT INTO "${schema}".migrations (version) VALUES (${index + 1})` })
  }
}

/** The version that is there; undefined if the schema holds nothing of ours. */
async function versionOf(client: PgQueryable, schema: string): Promise<number | undefined> {
  if (!(await exists(client, `pg_tables WHERE schemaname = '${schema}' AND tablename = 'migrations'`))) return undefined
  const { rows } = await client
    .query({ text: `SELECT max(version) AS version FROM "${schema}".migrations` })
    .catch((cause) => {
      const message = `The schema "${schema}" holds tables of another application; it was left as it is. Name another schema.`
      throw new ForebayError('INVALID_URL', message, { cause })
    })
  const version = (rows[0] as { version: number | null }).version ?? 0
  if (version > VERSIONS.length) {
    const message = `The schema "${schema}" was made by a newer version of Forebay (its version is ${version}, this one knows ${VERSIONS.length}); it was left as it is.`
    throw new ForebayError('UNSUPPORTED', message)
  }
  return version
}

/** Reads the catalogue's rows: its functions answer from a memory that may be older than a lock that was waited for. */
async function exists(client: PgQueryable, rows: string): Promise<boolean> {
  const [found] = (await client.query({ text: `SELECT EXISTS (SELECT FROM pg_catalog.${rows}) AS yes` })).rows
  return (found as { yes: boolean }).yes
}
