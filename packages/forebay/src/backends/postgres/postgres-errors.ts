/** PostgreSQL's errors in our words. */

import { type ErrorCode, ForebayError, messageOf } from '../../errors.ts'

/** That no answer came, or no connection was free, within the time. */
export class TimedOut extends Error {
  readonly isAsked: boolean

  /** @param isAsked Whether the question was sent, so that it may have been done. */
  constructor(message: string, isAsked: boolean) {
    super(message)
    this.isAsked = isAsked
  }
}

/** The server's code of an error, such as `40001`; undefined if it is none of the server's. */
export function sqlState(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('severity' in thrown) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** Whether it is undone as a whole and may go well at the next try: a conflict of transactions, or a circle of locks. */
export function isConflict(thrown: unknown): boolean {
  return /^40(001|P01)$/.test(sqlState(thrown) ?? '')
}

/** Whether nothing was stored because it is there already. */
export function isUniqueViolation(thrown: unknown): boolean {
  return thrown instanceof ForebayError && sqlState(thrown.cause) === '23505'
}

/** Whether the connection can go on after this error. A server that became read-only is one to turn away from. */
export function sparesConnection(thrown: unknown): boolean {
  const code = sqlState(thrown)
  return (
    code !== undefined &&
    !/^(25006|57P0.|08...|XX...)$/.test(code) &&
    (thrown as { severity?: string }).severity === 'ERROR'
  )
}

interface Meaning {
  readonly code: ErrorCode
  readonly says: string
}

const MEANINGS: readonly (readonly [RegExp, Meaning])[] = [
  [/^53100$/, { code: 'DISK_FULL', says: 'has no space left; nothing was stored' }],
  [
    /^55P03$/,
    { code: 'BACKEND_LOCKED', says: 'waited too long for a lock that another transaction holds; nothing was done' },
  ],
  [
    /^40/,
    { code: 'BACKEND_LOCKED', says: 'came into conflict with other transactions again and again; nothing was done' },
  ],
  [/^57014$/, { code: 'BACKEND_UNAVAILABLE', says: 'took too long and was cancelled; nothing was done' }],
  [/^25006$/, { code: 'BACKEND_UNAVAILABLE', says: 'is read-only at the moment; nothing was done' }],
  [/^57P03$/, { code: 'BACKEND_UNAVAILABLE', says: 'does not take connections now; nothing was done' }],
  [/^53/, { code: 'BACKEND_UNAVAILABLE', says: 'is short of resources; nothing was done' }],
  [/^(57P|08)/, { code: 'BACKEND_UNAVAILABLE', says: 'ended the connection; whether this was done is not known' }],
  [/^58/, { code: 'BACKEND_UNAVAILABLE', says: 'has trouble with its files; nothing was done' }],
  [/^XX00[12]$/, { code: 'BACKEND_CORRUPT', says: 'found its data damaged; nothing was done' }],
  [
    /^(42P01|3F000|42883|42703)$/,
    { code: 'BACKEND_CORRUPT', says: 'does not have the tables any more; nothing was done' },
  ],
  [/^42P07$/, { code: 'INVALID_URL', says: 'has tables of another application in that schema; nothing was done' }],
  [/^3D000$/, { code: 'INVALID_URL', says: 'has no such database' }],
  [/^28/, { code: 'INVALID_URL', says: 'does not let this user in' }],
  [/^42501$/, { code: 'INVALID_URL', says: 'does not allow this user what the queue needs; nothing was done' }],
]

/** @param where For the message: the server and the database. */
export function fromPostgres(thrown: unknown, where: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const details = { cause: thrown }
  const code = sqlState(thrown)
  if (code !== undefined) {
    const [, meaning] = MEANINGS.find(([pattern]) => pattern.test(code)) ?? []
    const reason = `${messageOf(thrown)}, ${code}`
    if (meaning) return new ForebayError(meaning.code, `PostgreSQL at ${where} ${meaning.says} (${reason}).`, details)
    return new ForebayError('INTERNAL', `PostgreSQL at ${where} failed: ${reason}. Nothing was done.`, details)
  }
  // Of a network or the driver.
  const isDone =
    thrown instanceof TimedOut && !thrown.isAsked ? 'Nothing was done' : 'Whether this was done is not known'
  const message = `PostgreSQL at ${where} can't be reached (${messageOf(thrown)}). ${isDone}.`
  return new ForebayError('BACKEND_UNAVAILABLE', message, details)
}
