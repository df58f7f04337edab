/** Amazon's errors in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

/** Refusals for the moment: the same request may be taken later. */
const THROTTLED = /Throttl|TooManyRequests|OverLimit|SlowDown/
const AWAY = /ServiceUnavailable|InternalFailure|InternalError|InternalServerError|RequestTimeout|TimeoutError/
const NETWORK = /^E[A-Z]+$/
const CREDENTIALS =
  /Credentials|AccessDenied|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|ExpiredToken|InvalidSecurity|OptInRequired|Kms/
const GONE = /QueueDoesNotExist|NonExistentQueue|ResourceNotFound/
const NO_RECEIPT = /ReceiptHandleIsInvalid|MessageNotInflight|InvalidReceiptHandle/

/** Ask again after so long, if nobody says otherwise. */
const THROTTLED_MS = 1_000

/** The error's code, as the service or Node names it. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return ''
  const { code } = thrown as NodeJS.ErrnoException
  return typeof code === 'string' && NETWORK.test(code) ? code : thrown.name
}

/** @param kept What is so all the same. */
export function fromSqs(thrown: unknown, kept: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const status = (thrown as { $metadata?: { httpStatusCode?: number } })?.$metadata?.httpStatusCode ?? 0
  return sqsError(codeOf(thrown), messageOf(thrown), kept, { status, cause: thrown })
}

interface Seen {
  readonly status?: number
  readonly cause?: unknown
}

/** Also for one entry of a batch, which has a code and a message. */
export function sqsError(code: string, what: string, kept: string, { status = 0, cause }: Seen = {}): ForebayError {
  const said = `${code}: ${what}`.replace(/[.\s]+$/, '')
  const details = { cause }
  if (THROTTLED.test(code)) {
    const message = `SQS asks to go slower (${said}); ${kept}`
    return new ForebayError('BACKEND_UNAVAILABLE', message, { ...details, retryAfterMs: THROTTLED_MS })
  }
  if (CREDENTIALS.test(code))
    return new ForebayError('BACKEND_UNAVAILABLE', `SQS refuses us (${said}); ${kept}`, details)
  if (GONE.test(code)) return new ForebayError('UNKNOWN_QUEUE', `SQS has no such queue (${said}); ${kept}`, details)
  if (status >= 500 || AWAY.test(code) || NETWORK.test(code)) {
    return new ForebayError('BACKEND_UNAVAILABLE', `SQS could not be asked (${said}); ${kept}`, details)
  }
  if (/BatchRequestTooLong|InvalidMessageContents/.test(code) || /must be shorter than/.test(what)) {
    return new ForebayError('PAYLOAD_TOO_LARGE', `SQS does not take the message (${said}); ${kept}`, details)
  }
  return new ForebayError('INTERNAL', `SQS refused (${said}); ${kept}`, details)
}

/** Whether an entry of a batch may be taken when it is sent again. */
export function mayPass(entry: {
  readonly Code?: string | undefined
  readonly SenderFault?: boolean | undefined
}): boolean {
  const { Code = '', SenderFault } = entry
  if (THROTTLED.test(Code) || AWAY.test(Code)) return true
  return SenderFault !== true && !NO_RECEIPT.test(Code)
}

/** Whether the receipt is no longer that of the message. */
export function isLapsed(code: string, message = ''): boolean {
  return (
    NO_RECEIPT.test(code) || /not available for visibility timeout change|has expired|beyond the limit/.test(message)
  )
}
