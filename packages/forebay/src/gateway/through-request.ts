/**
 * A request of the through mode as it lies in the queue: a task whose payload is the request, method, path, headers and
 * body. A task header marks it; callers of `POST .../tasks` cannot set task headers, so nobody can pretend.
 *
 * With an `Idempotency-Key` the request's headers lie in a task header: payloads are what tells a repeated request from another
 * one, and some headers differ each time.
 */

import { ForebayError } from '../errors.ts'
import { TASK_BOUNDS, type TaskInput } from '../task.ts'
import type { BodyText } from './body-text.ts'
import { type HeaderPair, redactedHeaders } from './headers.ts'

export interface ThroughRequest extends BodyText {
  readonly method: string
  /** Below the target's URL, with its query: begins with "/" or "?", or is empty. */
  readonly path: string
  readonly headers: readonly HeaderPair[]
}

export const THROUGH_TYPE = 'http-request'

/** Task headers of ours. */
export const MODE_HEADER = 'forebay-mode'
export const CALLBACK_HEADER = 'forebay-callback-url'
const REQUEST_HEADERS = 'forebay-request-headers'

const THROUGH_MODE = 'through'

/** @param beside Further headers of the task. @throws ForebayError INVALID_REQUEST if it is known by an `Idempotency-Key` and the headers are too many to lie beside the request. */
export function throughTask(
  request: ThroughRequest,
  id: string,
  beside: Readonly<Record<string, string>>,
  isKnownByKey: boolean,
): TaskInput & { readonly id: string } {
  const { headers, ...withoutHeaders } = request
  const own = { ...beside, [MODE_HEADER]: THROUGH_MODE }
  if (!isKnownByKey) return { id, type: THROUGH_TYPE, payload: request, headers: own }
  const all = { ...own, [REQUEST_HEADERS]: JSON.stringify(headers) }
  if (isTooLong(all)) {
    // A trace is not worth a refusal.
    const { traceparent: _, tracestate: __, ...without } = all as typeof all & Readonly<Record<string, string>>
    if (!isTooLong(without)) return { id, type: THROUGH_TYPE, payload: withoutHeaders, headers: without }
    const message = `A request with an Idempotency-Key has at most about ${TASK_BOUNDS.headersBytes} bytes of headers. Nothing was queued.`
    throw new ForebayError('INVALID_REQUEST', message)
  }
  return { id, type: THROUGH_TYPE, payload: withoutHeaders, headers: all }
}

function isTooLong(headers: Readonly<Record<string, string>>): boolean {
  return Buffer.byteLength(JSON.stringify(headers)) > TASK_BOUNDS.headersBytes
}

/** The request of a task of the through mode. */
export function requestOf(task: {
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
}): ThroughRequest {
  const beside = task.headers[REQUEST_HEADERS]
  const request = task.payload as ThroughRequest
  return beside === undefined ? request : { ...request, headers: JSON.parse(beside) as HeaderPair[] }
}

export function isThrough(task: { readonly headers: Readonly<Record<string, string>> }): boolean {
  return task.headers[MODE_HEADER] === THROUGH_MODE
}

/** The payload as anybody may see it. */
export function redactedRequest(request: ThroughRequest): ThroughRequest {
  return { ...request, headers: redactedHeaders(request.headers) }
}

/**
 * What follows `/v1/through/:queue` in the request's own line, unchanged.
 * @throws ForebayError NOT_FOUND for a path that would climb out of the target's, INVALID_REQUEST for line breaks in it.
 */
export function throughPath(rawUrl: string): string {
  // By its segments, not by their letters: an escaped letter leads to the same route.
  const prefix = /^\/[^/?#]+\/[^/?#]+\/[^/?#]+/.exec(rawUrl)?.[0]
  if (prefix === undefined)
    throw new ForebayError('NOT_FOUND', 'The URL is no path of this gateway. Nothing was queued.')
  const path = rawUrl.slice(prefix.length)
  const [beforeQuery = ''] = path.split(/[?#]/, 1)
  if (/%0[ad]|[\r\n]/i.test(beforeQuery)) {
    throw new ForebayError('INVALID_REQUEST', 'The path has a line break in it. Nothing was queued.')
  }
  const segments = decoded(beforeQuery).split(/[/\\]/)
  if (segments.some((segment) => segment === '.' || segment === '..') || /%00/.test(beforeQuery)) {
    throw new ForebayError(
      'NOT_FOUND',
      'The path climbs out of the target with "." or "..", or has a NUL in it. Nothing was queued.',
    )
  }
  return path
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new ForebayError('INVALID_REQUEST', 'The path has a "%" that is no escape. Nothing was queued.', { cause })
  }
}
