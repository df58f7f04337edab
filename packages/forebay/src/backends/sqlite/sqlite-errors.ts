/** SQLite's errors in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

/** SQLite's code of an error, such as `SQLITE_BUSY`; undefined if it is none of SQLite's. */
export function sqliteCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || typeof thrown.code !== 'string') return undefined
  return thrown.code.startsWith('SQLITE_') ? thrown.code : undefined
}

export function isBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  return code !== undefined && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)
}

/** Whether only the operation failed and its neighbours in the transaction can go on. */
export function isOperationsOwn(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  return code === undefined || /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE|ERROR)/.test(code)
}

/** Whether the connection can't be trusted any more: after a failed write or sync the file is opened anew. */
export function spoilsConnection(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  return code !== undefined && /^SQLITE_(IOERR|CORRUPT|NOTADB|NOMEM|READONLY|CANTOPEN)/.test(code)
}

/** @param path For the message. */
export function fromSqlite(thrown: unknown, path: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const code = sqliteCode(thrown) ?? ''
  const says = `${messageOf(thrown)}${code === '' ? '' : `, ${code}`}`
  const details = { cause: thrown }
  if (isBusy(thrown)) {
    return new ForebayError('BACKEND_LOCKED', `Another process keeps ${path} locked; nothing was done.`, details)
  }
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE') {
    return new ForebayError('DISK_FULL', `There is no space left for ${path}; nothing was stored.`, details)
  }
  if (code === 'SQLITE_NOTADB') {
    return new ForebayError('BACKEND_CORRUPT', `${path} is not a SQLite database; it was left as it is.`, details)
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new ForebayError('BACKEND_CORRUPT', `${path} is damaged (${says}); nothing was done.`, details)
  }
  if (code.startsWith('SQLITE_IOERR')) {
    const message = `${path} could not be read or written (${says}); whether this was stored is not known.`
    return new ForebayError('BACKEND_UNAVAILABLE', message, details)
  }
  if (code !== '') {
    return new ForebayError('BACKEND_UNAVAILABLE', `${path} can't be used (${says}); nothing was done.`, details)
  }
  return new ForebayError('INTERNAL', `The queue in ${path} failed: ${says}. Nothing was done.`, details)
}
