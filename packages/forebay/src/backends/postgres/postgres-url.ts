/** `postgres://USER:PASSWORD@HOST:PORT/DATABASE[?schema=forebay&connections=8&...]`; the other parameters are pg's. */

import { ForebayError, messageOf } from '../../errors.ts'

export interface PostgresUrl {
  /** For pg, without our own parameters. */
  readonly url: string
  readonly schema?: string
  readonly connections?: number
}

/** @throws ForebayError INVALID_URL */
export function parsePostgresUrl(url: string): PostgresUrl {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (thrown) {
    // The URL may hold a password, so the message does not repeat it.
    throw new ForebayError('INVALID_URL', `The postgres URL can't be read: ${messageOf(thrown)}.`, { cause: thrown })
  }
  const schema = parsed.searchParams.get('schema')
  const connections = parsed.searchParams.get('connections')
  parsed.searchParams.delete('schema')
  parsed.searchParams.delete('connections')
  if (connections !== null && !/^[1-9]\d{0,3}$/.test(connections)) {
    throw new ForebayError(
      'INVALID_URL',
      `"connections" of the postgres URL is a whole number from 1, not ${connections}.`,
    )
  }
  return {
    url: parsed.href,
    ...(schema === null ? {} : { schema: checkSchema(schema) }),
    ...(connections === null ? {} : { connections: Number(connections) }),
  }
}

/** Long names leave no room in those of channels and prepared statements. */
const LONGEST_SCHEMA = 32

/** @throws ForebayError INVALID_URL */
export function checkSchema(schema: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(schema) && schema.length <= LONGEST_SCHEMA && !schema.startsWith('pg_')) return schema
  const message = `"${schema}" is no schema: small letters, digits and "_", at most ${LONGEST_SCHEMA}, and not pg_...`
  throw new ForebayError('INVALID_URL', message)
}

/** Where a URL leads, for messages: without user and password. */
export function whereOf(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  return `${hostname === '' ? 'localhost' : hostname}:${port === '' ? 5432 : port}${pathname}`
}
