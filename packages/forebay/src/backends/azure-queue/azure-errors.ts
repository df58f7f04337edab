/** Azure's errors in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

interface RestError {
  readonly statusCode?: number
  readonly code?: string
  readonly response?: { readonly headers: { get(name: string): string | undefined } }
}

/** Ask again after so long, if the service does not say. */
const BUSY_MS = 1_000

/** Whether the receipt is no longer that of the message, or the message is gone. */
export function isLapsed(thrown: unknown): boolean {
  const { statusCode, code } = thrown as RestError
  return (statusCode === 404 && code === 'MessageNotFound') || code === 'PopReceiptMismatch'
}

export function isMissingQueue(thrown: unknown): boolean {
  return (thrown as RestError).code === 'QueueNotFound'
}

/** @param kept What is so all the same. */
export function fromAzure(thrown: unknown, kept: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const { statusCode: status = 0, code = '', response } = thrown as RestError
  const [line = ''] = messageOf(thrown).split('\n')
  const said = `${[status || '', code].filter(Boolean).join(' ')}: ${line}`.replace(/[.\s]+$/, '')
  const details = { cause: thrown }
  if (status === 503 || status === 429 || code === 'ServerBusy') {
    const seconds = Number(response?.headers.get('retry-after') ?? Number.NaN)
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : BUSY_MS
    const message = `Azure asks to go slower (${said}); ${kept}`
    return new ForebayError('BACKEND_UNAVAILABLE', message, { ...details, retryAfterMs })
  }
  if (isMissingQueue(thrown))
    return new ForebayError('UNKNOWN_QUEUE', `Azure has no such queue (${said}); ${kept}`, details)
  if (status === 401 || status === 403 || /Credential|Authentication/.test((thrown as Error)?.name ?? '')) {
    return new ForebayError('BACKEND_UNAVAILABLE', `Azure refuses us (${said}); ${kept}`, details)
  }
  if (status >= 500 || status === 0 || status === 408) {
    return new ForebayError('BACKEND_UNAVAILABLE', `Azure could not be asked (${said}); ${kept}`, details)
  }
  if (status === 413)
    return new ForebayError('PAYLOAD_TOO_LARGE', `Azure does not take the message (${said}); ${kept}`, details)
  return new ForebayError('INTERNAL', `Azure refused (${said}); ${kept}`, details)
}
