/**
 * One connection to the file and the batches of requests that run on it.
 *
 * What arrives together runs in one transaction and so shares one fsync; each operation stands in a savepoint, so that
 * one that fails takes none of its neighbours with it. Nothing is answered before the commit. After a failed write or
 * sync the connection is thrown away and the file opened anew: what the failed one remembers can't be trusted.
 */

import type { Database, Options, Statement } from 'better-sqlite3'
import { pauseThread, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { ClockReading, Durability, Reply, Request, ThreadData } from './operations.ts'
import { QueueTime } from './queue-time.ts'
import { checkSqliteVersion, prepareFile, setDurability } from './schema.ts'
import { fromSqlite, isBusy, isOperationsOwn, spoilsConnection } from './sqlite-errors.ts'
import { Store } from './store.ts'
import { findLostTransactions } from './wal-check.ts'

export type OpenDatabase = (path: string, options: Options) => Database

/**
 * How long the thread stands still between two tries to get a lock. SQLite's own steps grow to 100 ms, by which a process
 * that always comes too late could wait for seconds behind a busy one.
 */
const LOCK_STEP_MS = 1

interface Opened {
  readonly db: Database
  readonly store: Store
  readonly time: QueueTime
  readonly version: Statement<[], number>
  readonly savepoint: Statement<[]>
  readonly release: Statement<[]>
}

export class Connection {
  readonly #path: string
  readonly #lockWaitMs: number
  readonly #openDatabase: OpenDatabase
  #durability: Durability
  #opened: Opened | undefined
  #lastVersion = -1

  constructor(data: ThreadData, openDatabase: OpenDatabase) {
    this.#path = data.path
    this.#lockWaitMs = data.lockWaitMs
    this.#durability = data.durability
    this.#openDatabase = openDatabase
  }

  /** @throws ForebayError */
  open(): void {
    try {
      this.#patiently(() => this.#ready())
    } catch (thrown) {
      throw fromSqlite(thrown, this.#path)
    }
  }

  close(): void {
    const opened = this.#opened
    this.#opened = undefined
    try {
      opened?.db.close()
    } catch {
      // What was committed is in the file or its WAL; the next opening finds it there.
    }
  }

  makeDurable(): void {
    this.#durability = 'full'
    if (this.#opened) setDurability(this.#opened.db, 'full')
  }

  /** Differs from `lastVersion` if another connection has changed the file since the last batch read it. */
  get version(): number {
    try {
      return this.#opened?.version.get() ?? -1
    } catch {
      // It can't be read just now. Whoever asks takes that for a change and finds out why.
      return -1
    }
  }

  get lastVersion(): number {
    return this.#lastVersion
  }

  /** Runs the requests in one transaction and answers each. */
  run(requests: readonly Request[]): Reply[] {
    try {
      return this.#patiently(() => {
        const opened = this.#ready()
        const readings = requests.map((request) => request.at ?? systemReading())
        return this.#look(opened, requests, readings) ?? this.#change(opened, requests, readings)
      })
    } catch (thrown) {
      if (spoilsConnection(thrown)) this.close()
      return requests.map(({ number }) => ({ number, error: plain(fromSqlite(thrown, this.#path)) }))
    }
  }

  #ready(): Opened {
    if (this.#opened) return this.#opened
    this.#checkLog()
    const db = this.#openDatabase(this.#path, { timeout: 0 })
    try {
      checkSqliteVersion(db)
      prepareFile(db, this.#path, this.#durability)
      const time = new QueueTime(db)
      db.transaction(() => time.learn(systemReading())).immediate()
      this.#opened = {
        db,
        store: new Store(db),
        time,
        version: db.prepare<[], number>('PRAGMA data_version').pluck(),
        savepoint: db.prepare('SAVEPOINT operation'),
        release: db.prepare('RELEASE operation'),
      }
      return this.#opened
    } catch (thrown) {
      db.close()
      throw thrown
    }
  }

  /** With `normal` a power failure may leave such a log behind, and what it takes is not promised to be kept. */
  #checkLog(): void {
    if (this.#durability !== 'full') return
    const lostAt = findLostTransactions(`${this.#path}-wal`)
    if (lostAt === undefined) return
    const message =
      `${this.#path}-wal is damaged at byte ${lostAt}, and acknowledged changes behind it can't be read; nothing was ` +
      'changed. Opened once with durability=normal, the queue goes on without them.'
    throw new ForebayError('BACKEND_CORRUPT', message)
  }

  /** The answers if no request needs a write; undefined if one does. */
  #look(opened: Opened, requests: readonly Request[], readings: readonly ClockReading[]): Reply[] | undefined {
    const { db, store, time, version } = opened
    if (!readings.every(({ origin }) => time.knows(origin))) return undefined
    db.exec('BEGIN')
    try {
      const replies: Reply[] = []
      for (const [index, { number, queue, operation }] of requests.entries()) {
        const result = store.look(queue, operation, time.at(readings[index] as ClockReading))
        if (result === undefined) return undefined
        replies.push({ number, result })
      }
      this.#lastVersion = version.get() ?? -1
      return replies
    } finally {
      db.exec('ROLLBACK')
    }
  }

  #change(opened: Opened, requests: readonly Request[], readings: readonly ClockReading[]): Reply[] {
    const { db, store, time, version } = opened
    db.exec('BEGIN IMMEDIATE')
    try {
      const replies = requests.map((request, index) => {
        const reading = readings[index] as ClockReading
        if (!time.knows(reading.origin)) time.learn(reading)
        return this.#apart(opened, request.number, () =>
          store.execute(request.queue, request.operation, time.at(reading)),
        )
      })
      this.#lastVersion = version.get() ?? -1
      db.exec('COMMIT')
      return replies
    } catch (thrown) {
      if (db.open && db.inTransaction) db.exec('ROLLBACK')
      throw thrown
    }
  }

  #apart({ db, savepoint, release }: Opened, number: number, act: () => unknown): Reply {
    savepoint.run()
    try {
      const result = act()
      release.run()
      return { number, result }
    } catch (thrown) {
      if (!isOperationsOwn(thrown) || !db.inTransaction) throw thrown
      db.exec('ROLLBACK TO operation; RELEASE operation')
      return { number, error: plain(fromSqlite(thrown, this.#path)) }
    }
  }

  /** Tries again while another process holds the lock, for the time that was given. */
  #patiently<Result>(act: () => Result): Result {
    const end = systemClock.monotonic() + this.#lockWaitMs
    for (;;) {
      try {
        return act()
      } catch (thrown) {
        if (!isBusy(thrown) || systemClock.monotonic() >= end) throw thrown
        pauseThread(LOCK_STEP_MS)
      }
    }
  }
}

function systemReading(): ClockReading {
  return { origin: systemClock.origin, monotonic: systemClock.monotonic(), now: systemClock.now() }
}

function plain({ code, message }: ForebayError): { code: ForebayError['code']; message: string } {
  return { code, message }
}
