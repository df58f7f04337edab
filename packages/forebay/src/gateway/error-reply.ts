/** Errors as HTTP answers: one JSON shape for all, whoever found the fault, and never a stack trace. */

import type { FastifyReply } from 'fastify'
import { asForebayError, ForebayError } from '../errors.ts'

/** What `Retry-After` says with a 429 or 503 for which nothing better is known. */
const DEFAULT_RETRY_AFTER_MS = 1_000

export interface ErrorBody {
  readonly error: {
    readonly code: string
    /** What happened and what was kept. */
    readonly message: string
    /** What to do about it. */
    readonly todo: string
    /** Where in the input the fault lies. */
    readonly path?: string
    readonly retryAfterMs?: number
  }
}

export function errorBody(error: ForebayError): ErrorBody {
  const { code, message, todo, path, retryAfterMs } = error
  return {
    error: {
      code,
      message,
      todo,
      ...(path !== undefined && { path }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  }
}

/** @param status Default: the code's own. */
export function sendError(reply: FastifyReply, error: ForebayError, status = error.status): FastifyReply {
  const seconds = retryAfterSeconds(status, error.retryAfterMs)
  if (seconds !== undefined) reply.header('retry-after', String(seconds))
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="forebay"')
  return reply.code(status).type('application/json; charset=utf-8').send(errorBody(error))
}

/** Whole seconds, rounded up; each 429 and 503 has them. */
export function retryAfterSeconds(status: number, retryAfterMs: number | undefined): number | undefined {
  if (status !== 429 && status !== 503 && retryAfterMs === undefined) return undefined
  return Math.max(1, Math.ceil((retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) / 1_000))
}

/** What the HTTP library found wrong, in our words. */
export function fromHttpLibrary(thrown: unknown): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const { code = '', statusCode = 500 } = thrown as { code?: string; statusCode?: number }
  const known = LIBRARY_ERRORS[code]
  if (known) return new ForebayError(...known)
  if (statusCode >= 400 && statusCode < 500) {
    return new ForebayError('INVALID_REQUEST', `${asForebayError(thrown).message}. Nothing of it was stored.`)
  }
  return asForebayError(thrown)
}

const LIBRARY_ERRORS: Readonly<Record<string, ConstructorParameters<typeof ForebayError>>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'PAYLOAD_TOO_LARGE',
    'The body is larger than this gateway takes. Nothing of it was stored.',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'UNSUPPORTED_MEDIA_TYPE',
    'The body has a media type that is not taken here. Nothing of it was stored.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'INVALID_REQUEST',
    'The body is not as long as Content-Length says. Nothing of it was stored.',
  ],
  FST_ERR_BAD_URL: ['INVALID_REQUEST', 'The URL has a "%" that is no escape. Nothing was done.'],
  FST_ERR_MAX_PARAM_LENGTH: ['NOT_FOUND', 'There is nothing at this path: a part of it is too long.'],
}
