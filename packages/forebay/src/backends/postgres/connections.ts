/**
 * The connections to one database: each statement on one of the pool's, within its time, repeated where the server undid it for a
 * conflict. What waits for a connection or for an answer waits for so long at most, so that a server that is away holds nothing up
 * for ever.
 */

import { type Clock, sleep } from '../../clock.ts'
import { fullJitter } from '../../flow/backoff.ts'
import type { RandomSource } from '../../random.ts'
import { UnderWay } from '../../under-way.ts'
import { CallDeadlines } from './call-deadlines.ts'
import type { PgPool, PgPoolClient, PgQueryable } from './driver.ts'
import { fromPostgres, isConflict, sparesConnection, TimedOut } from './postgres-errors.ts'

export interface Statement {
  /** Prepared once a connection. */
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/** The server cancels a statement after the time; so much later it is given up here, because no answer will come. */
const ANSWER_GRACE_MS = 1_000
const MOST_TRIES = 8
const CONFLICT_BACKOFF = { baseMs: 5, capMs: 200 } as const

export interface ConnectionsOptions {
  readonly pool: PgPool
  /** For messages. */
  readonly where: string
  /** For a connection, and again for the answer. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly random: RandomSource
}

const ignore = (): void => {}

/**
 * Its errors are told by what was asked of it. Heard as soon as it is connected: a server that ends with the very packet that says it is
 * ready would be heard by nobody between the pool and whoever gets the client, and end the process.
 */
function hear(client: PgPoolClient): void {
  client.off('error', ignore)
  client.on('error', ignore)
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #deadlines: CallDeadlines
  readonly #underWay = new UnderWay()

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#deadlines = new CallDeadlines(options.clock)
    // A connection that breaks while nobody uses it: the pool makes another one when it is needed.
    options.pool.on('error', ignore)
    options.pool.on('connect', hear)
  }

  /**
   * The rows of a statement, each an array of columns.
   * @throws ForebayError
   */
  async rows(statement: Statement): Promise<unknown[][]> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.use(async (client) => {
          const { rows } = await client.query({ ...statement, rowMode: 'array' })
          return rows as unknown[][]
        })
      } catch (thrown) {
        if (!isConflict(thrown) || tried === MOST_TRIES) throw fromPostgres(thrown, this.#options.where)
        await sleep(this.#options.clock, fullJitter(tried, this.#options.random.next(), CONFLICT_BACKOFF))
      }
    }
  }

  /** Does something on a connection, which then goes back to the pool. Rejects with whatever is thrown. */
  async use<Result>(work: (client: PgQueryable) => Promise<Result>): Promise<Result> {
    this.#underWay.begin()
    try {
      const client = await this.#checkOut()
      hear(client)
      try {
        const result = await this.#within(work(client), 'no answer came', true)
        client.release()
        return result
      } catch (thrown) {
        client.release(!sparesConnection(thrown))
        throw thrown
      } finally {
        client.off('error', ignore)
      }
    } finally {
      this.#underWay.end()
    }
  }

  /** Waits for what is under way, then lets go of the pool. @param isOurs Whether to end it. */
  async end(isOurs: boolean): Promise<void> {
    await this.#underWay.idle()
    const { pool } = this.#options
    if (!isOurs) {
      pool.off('error', ignore)
      pool.off('connect', hear)
    } else await this.#within(this.#options.pool.end(), 'The pool did not end', true).catch(ignore)
  }

  #checkOut(): Promise<PgPoolClient> {
    const connecting = this.#options.pool.connect()
    return this.#within(connecting, 'no connection came free', false).catch((thrown) => {
      // What comes after all is not needed any more.
      connecting.then((client) => client.release(), ignore)
      throw thrown
    })
  }

  #within<Result>(work: Promise<Result>, what: string, isAsked: boolean): Promise<Result> {
    const { timeoutMs } = this.#options
    const late = () => new TimedOut(`${what} within ${timeoutMs} ms`, isAsked)
    return this.#deadlines.within(timeoutMs + (isAsked ? ANSWER_GRACE_MS : 0), work, late)
  }
}
