/** What a server must be and promise, looked at when it is opened. */

import { ForebayError } from '../../errors.ts'
import type { PgQueryable } from './driver.ts'

/** PostgreSQL 13 brought the 64-bit transaction ids that the counters need. */
const LEAST_VERSION = 130_000

interface Settings {
  readonly version: number
  readonly encoding: string
  readonly isolation: string
  readonly commit: string
  readonly fsync: string
}

/**
 * What an acknowledged push survives.
 * @throws ForebayError UNSUPPORTED
 */
export async function checkServer(client: PgQueryable): Promise<'process' | 'disk'> {
  const { rows } = await client.query({
    text: `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
      current_setting('default_transaction_isolation') AS isolation, current_setting('synchronous_commit') AS commit,
      current_setting('fsync') AS fsync`,
  })
  const { version, encoding, isolation, commit, fsync } = rows[0] as Settings
  if (version < LEAST_VERSION) {
    throw new ForebayError(
      'UNSUPPORTED',
      `This is PostgreSQL ${Math.floor(version / 10_000)}; the postgres backend needs 13.`,
    )
  }
  if (encoding !== 'UTF8') {
    throw new ForebayError('UNSUPPORTED', `This database is encoded in ${encoding}; the postgres backend needs UTF8.`)
  }
  if (isolation !== 'read committed') {
    const message = `The connections' default_transaction_isolation is "${isolation}"; the postgres backend needs "read committed".`
    throw new ForebayError('UNSUPPORTED', message)
  }
  return commit === 'off' || fsync === 'off' ? 'process' : 'disk'
}
