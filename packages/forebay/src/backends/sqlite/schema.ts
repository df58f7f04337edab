/**
 * The file: whose it is, which version, its tables, and how SQLite shall treat it.
 *
 * A task is two rows with one number: `tasks` holds what never changes, with the payload; `places` holds what every grant
 * changes, and stays small. `places_due` finds what has fallen due (delayed, in flight), how long the oldest ready task
 * waits, and the dead letters in the order of their deaths. `turns` holds the ordered tasks of each key that are queued, in
 * the order of their coming: all but the first of a key are blocked, and no claim looks at them.
 *
 * A task waits in a line: the common one of its queue, which is part of the queue's row and whose number is the queue's,
 * negated; or the one of its key, a row of `lines`. `places_rank` is the order within each, `lines_open` the order among them
 * (see ../line-state.ts). A queue whose tasks have no weights has no such rows.
 */

import type { Database } from 'better-sqlite3'
import { ForebayError } from '../../errors.ts'
import type { Durability } from './operations.ts'

/** Spells "frby" in the file's header, so that a file of another application is known. */
const APPLICATION_ID = 0x66726279
const SCHEMA_VERSION = 3

/** Earlier versions can corrupt the file when the WAL is reset while another process writes. */
const LEAST_SQLITE = [3, 51, 3] as const

/** A larger WAL is cut back to this after a checkpoint. */
const WAL_KEPT_BYTES = 16 * 1024 * 1024

export const STATE = { ready: 0, delayed: 1, inFlight: 2, dead: 3, blocked: 4 } as const

const TABLES = `
  CREATE TABLE queue_time (origin TEXT NOT NULL, ahead REAL NOT NULL) STRICT;
  CREATE TABLE queues (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    ready INTEGER NOT NULL DEFAULT 0, delayed INTEGER NOT NULL DEFAULT 0, inFlight INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
    grants INTEGER NOT NULL DEFAULT 0, touched REAL NOT NULL DEFAULT 0,
    virtual REAL NOT NULL DEFAULT 0, greatest REAL NOT NULL DEFAULT 0, openLines INTEGER NOT NULL DEFAULT 0,
    openWeight REAL NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0, lines INTEGER NOT NULL DEFAULT 0,
    emptyLines INTEGER NOT NULL DEFAULT 0, restingLines INTEGER NOT NULL DEFAULT 0,
    commonReady INTEGER NOT NULL DEFAULT 0, commonFinish REAL NOT NULL DEFAULT 0, commonEntered INTEGER NOT NULL DEFAULT 0,
    commonCost REAL NOT NULL DEFAULT 1, keyConcurrency INTEGER, keyPerSecond REAL
  ) STRICT;
  CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY, queue INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL,
    key TEXT, headers TEXT, createdAt REAL NOT NULL, ttlMs REAL, bytes INTEGER NOT NULL,
    ordered INTEGER NOT NULL DEFAULT 0, cost REAL NOT NULL DEFAULT 1, weight REAL
  ) STRICT;
  CREATE UNIQUE INDEX tasks_id ON tasks (queue, id);
  CREATE TABLE places (
    seq INTEGER PRIMARY KEY, queue INTEGER NOT NULL, line INTEGER NOT NULL, state INTEGER NOT NULL, rank REAL NOT NULL,
    priority INTEGER NOT NULL, due REAL NOT NULL, expiresAt REAL, token INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, failures TEXT,
    reason TEXT, deadAt REAL
  ) STRICT;
  CREATE INDEX places_rank ON places (line, rank) WHERE state = 0;
  CREATE INDEX places_due ON places (queue, state, due);
  CREATE TABLE turns (turn INTEGER PRIMARY KEY, queue INTEGER NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
  CREATE INDEX turns_key ON turns (queue, key);
  CREATE TABLE lines (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, key TEXT NOT NULL, weight REAL NOT NULL, cost REAL NOT NULL,
    state INTEGER NOT NULL DEFAULT 0, finish REAL NOT NULL DEFAULT 0, score REAL NOT NULL DEFAULT 0,
    entered INTEGER NOT NULL DEFAULT 0, ready INTEGER NOT NULL DEFAULT 0, inFlight INTEGER NOT NULL DEFAULT 0,
    tasks INTEGER NOT NULL DEFAULT 0, nextAt REAL NOT NULL DEFAULT 0, rank REAL NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX lines_key ON lines (queue, key);
  CREATE INDEX lines_open ON lines (queue, score, entered) WHERE state = 1;
  CREATE INDEX lines_limited ON lines (queue, state, nextAt) WHERE state > 1;
  CREATE INDEX lines_empty ON lines (queue, finish) WHERE state = 0 AND tasks = 0;
  CREATE TABLE cells (
    queue INTEGER NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (queue, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dedup (
    queue INTEGER NOT NULL, dedupId TEXT NOT NULL, taskId TEXT NOT NULL, print BLOB NOT NULL, until REAL NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX dedup_id ON dedup (queue, dedupId);
  CREATE INDEX dedup_until ON dedup (until);
  CREATE TABLE results (
    queue INTEGER NOT NULL, id TEXT NOT NULL, completedAt REAL NOT NULL, result TEXT NOT NULL, until REAL NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX results_id ON results (queue, id);
  CREATE INDEX results_until ON results (until);
`

/** @throws ForebayError `UNSUPPORTED` if the linked SQLite is too old. */
export function checkSqliteVersion(db: Database): void {
  const version = db.prepare<[], string>('SELECT sqlite_version()').pluck().get() as string
  const parts = version.split('.').map(Number)
  const at = LEAST_SQLITE.findIndex((least, index) => parts[index] !== least)
  if (at >= 0 && (parts[at] ?? 0) < (LEAST_SQLITE[at] as number)) {
    const least = LEAST_SQLITE.join('.')
    throw new ForebayError('UNSUPPORTED', `better-sqlite3 brings SQLite ${version}; this backend needs ${least}.`)
  }
}

/**
 * Makes a connection ready for use: refuses what isn't ours before it changes anything, then makes what is missing.
 *
 * @throws ForebayError or SQLite's own error.
 */
export function prepareFile(db: Database, path: string, durability: Durability): void {
  const isNew = checkOwner(db, path)
  const mode = db.pragma('journal_mode = WAL', { simple: true })
  if (mode !== 'wal') {
    throw new ForebayError('BACKEND_UNAVAILABLE', `${path} can't use a write-ahead log there; put it on a local disk.`)
  }
  setDurability(db, durability)
  db.pragma(`journal_size_limit = ${WAL_KEPT_BYTES}`)
  if (isNew) db.transaction(() => createTables(db, path)).immediate()
}

export function setDurability(db: Database, durability: Durability): void {
  db.pragma(`synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`)
}

/** Whether the file is new. */
function checkOwner(db: Database, path: string): boolean {
  const applicationId = db.pragma('application_id', { simple: true }) as number
  const version = db.pragma('user_version', { simple: true }) as number
  if (applicationId === APPLICATION_ID && version === SCHEMA_VERSION) return false
  if (applicationId === APPLICATION_ID) {
    const relation = version > SCHEMA_VERSION ? 'a newer' : 'an unknown'
    const versions = `its schema is ${version}, this one knows ${SCHEMA_VERSION}`
    const message = `${path} was written by ${relation} version of Forebay (${versions}); it was left as it is.`
    throw new ForebayError('UNSUPPORTED', message)
  }
  const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get()
  if (applicationId === 0 && version === 0 && tables === 0) return true
  throw new ForebayError('INVALID_URL', `${path} is a database of another application; it was left as it is.`)
}

function createTables(db: Database, path: string): void {
  // Another process may have been faster.
  if (!checkOwner(db, path)) return
  db.exec(TABLES)
  db.pragma(`application_id = ${APPLICATION_ID}`)
  db.pragma(`user_version = ${SCHEMA_VERSION}`)
}
