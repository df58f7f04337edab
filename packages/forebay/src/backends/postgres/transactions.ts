/** A push that is part of the caller's own transaction: on the caller's connection, done when that commits. */

import { ForebayError } from '../../errors.ts'
import type { Statement } from './connections.ts'
import type { PgQueryable } from './driver.ts'
import { fromPostgres } from './postgres-errors.ts'

/** @throws ForebayError INVALID_OPTION */
export function clientOf(transaction: unknown): PgQueryable {
  const client = transaction as Partial<PgQueryable> | null | undefined
  if (typeof client?.query === 'function') return client as PgQueryable
  const message = 'transaction is a client of pg on which a transaction has begun. Nothing was stored.'
  throw new ForebayError('INVALID_OPTION', message, { path: 'transaction' })
}

/** Not prepared: the connection is the caller's. @throws ForebayError; the caller's transaction has then failed. */
export async function runWithin(client: PgQueryable, { text, values }: Statement): Promise<unknown[][]> {
  try {
    const { rows } = await client.query({ text, values, rowMode: 'array' })
    return rows as unknown[][]
  } catch (thrown) {
    throw fromPostgres(thrown, 'the given transaction')
  }
}
