/** What this backend needs of the package `pg`, and how it is loaded. Users' own pools and clients are taken as they are. */

import { ForebayError } from '../../errors.ts'

export interface PgQuery {
  readonly text: string
  /** Prepared once a connection under this name. */
  readonly name?: string
  readonly values?: unknown[]
  readonly rowMode?: 'array'
}

/** A client of `pg`, or whatever runs queries as one does. */
export interface PgQueryable {
  query(query: PgQuery): Promise<{ readonly rows: unknown[] }>
}

type OnError = (error: Error) => void

export interface PgPoolClient extends PgQueryable {
  /** @param broken Whether it is not to be used again. */
  release(broken?: boolean): void
  on(event: 'error', listener: OnError): unknown
  off(event: 'error', listener: OnError): unknown
}

type OnConnect = (client: PgPoolClient) => void

/** A `Pool` of `pg`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  on(event: 'error', listener: OnError): unknown
  on(event: 'connect', listener: OnConnect): unknown
  off(event: 'error', listener: OnError): unknown
  off(event: 'connect', listener: OnConnect): unknown
  end(): Promise<void>
  /** What each of its clients is made with. */
  readonly options: object
}

interface PgNotification {
  readonly channel: string
  readonly payload?: string | undefined
}

/** A connection of its own, outside of any pool. */
export interface PgClient extends PgQueryable {
  connect(): Promise<unknown>
  end(): Promise<void>
  /** Lets the process end although it is connected. */
  unref(): void
  on(event: 'error', listener: OnError): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (notification: PgNotification) => void): unknown
}

export interface PgDriver {
  readonly Pool: new (options: object) => PgPool
  readonly Client: new (options: object) => PgClient
}

/** @throws ForebayError MISSING_PACKAGE */
export async function loadDriver(load: () => Promise<unknown> = () => import('pg')): Promise<PgDriver> {
  try {
    const loaded = (await load()) as { readonly default: PgDriver }
    return loaded.default
  } catch (thrown) {
    const message =
      'The postgres backend needs the package pg, which is not installed: npm install pg. Nothing was done.'
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}
