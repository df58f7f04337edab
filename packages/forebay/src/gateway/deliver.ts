/**
 * Delivery: the handler of a gateway's queue. One attempt is one HTTP request to the queue's target, and its answer decides:
 *
 *     2xx                          completed; the answer is the result
 *     429, 503 with Retry-After    released: the target asked for quiet. Not an attempt, and nothing else starts meanwhile
 *     429, 503 without, 5xx        failed: retried with backoff while it has attempts left; to the limit a 429 is a refusal
 *     3xx                          in through mode the answer, like 2xx; else dead: redirects are not followed
 *     other 4xx                    as `onClientError` says; dead by default
 *     no answer, refused address   failed
 */

import { Pool } from 'undici'
import type { Clock } from '../clock.ts'
import type { HandlerContext } from '../consumer/handler.ts'
import { complete, dead, type Outcome, release } from '../consumer/outcome.ts'
import { retryAfterMs } from '../consumer/retry-after.ts'
import { ForebayError, messageOf } from '../errors.ts'
import type { Task } from '../task.ts'
import { type Answer, readAnswer } from './answer.ts'
import { bodyFromText } from './body-text.ts'
import type { QueueSettings } from './config-schema.ts'
import { type HeaderPair, headerOf, SECRET_HEADERS, withHeaders } from './headers.ts'
import type { TargetGuard } from './target-guard.ts'
import { isThrough, requestOf, type ThroughRequest } from './through-request.ts'
import { traceOfAttempt } from './trace-headers.ts'

export interface DeliveryOptions {
  readonly settings: QueueSettings
  readonly guard: TargetGuard
  readonly clock: Clock
  readonly replyBytes: number
  /** Told each answer before its outcome is stored: for who waits for it. */
  readonly onAnswer: (taskId: string, answer: Answer) => void
}

/** How much of a refusal's body is kept with the failure. */
const EXCERPT_CHARS = 300

interface OutgoingRequest {
  readonly method: string
  readonly path: string
  readonly headers: readonly HeaderPair[]
  readonly body: Buffer | null
}

export class Delivery {
  readonly #options: DeliveryOptions
  readonly #target: URL
  readonly #pool: Pool

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#target = new URL(options.settings.target.url)
    // The attempt's signal keeps the time, and the consumer's limit the number of connections.
    const connect = options.guard.connector()
    this.#pool = new Pool(this.#target.origin, { connect, headersTimeout: 0, bodyTimeout: 0, pipelining: 1 })
  }

  /** One attempt. Throws what the consumer shall retry. */
  async deliver(task: Task, context: Pick<HandlerContext, 'signal' | 'attempt' | 'report'>): Promise<Outcome> {
    const { signal, attempt } = context
    const through = isThrough(task)
    const request = through
      ? throughRequest(requestOf(task), this.#target)
      : plainRequest(task, this.#target, this.#options.settings.target.method)
    const configured = Object.entries(this.#options.settings.target.headers)
    const own = [...ownHeaders(task, attempt), ...traceOfAttempt(task.headers)]
    const headers = withHeaders(withHeaders(request.headers, configured), own)
    const answer = await this.#send({ ...request, headers: idempotent(headers, task.id) }, signal)
    this.#options.onAnswer(task.id, answer)
    return this.#outcome(answer, through, context, () => secretsOf(headers, configured))
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  async #send({ headers, ...request }: OutgoingRequest, signal: AbortSignal): Promise<Answer> {
    try {
      const response = await this.#pool.request({ ...request, headers: headers.flat(), signal })
      return await readAnswer(response, this.#options.replyBytes)
    } catch (thrown) {
      if (signal.aborted) throw signal.reason
      if (thrown instanceof ForebayError) throw thrown
      throw new ForebayError('TARGET_FAILED', `The target gave no answer: ${reasonOf(thrown)}.`, { cause: thrown })
    }
  }

  #outcome(
    answer: Answer,
    through: boolean,
    context: Pick<HandlerContext, 'report'>,
    secrets: () => readonly string[],
  ): Outcome {
    const { status } = answer
    const { onClientError, maxRetryAfterMs } = this.#options.settings
    if (status < 300 || (through && status < 400)) return complete(answer)
    const told = `The target answered ${status}${excerptOf(answer, secrets())}`
    if (status === 429 || status === 503) {
      const quietMs = retryAfterMs(headerOf(answer.headers, 'retry-after'), this.#options.clock.now(), maxRetryAfterMs)
      if (quietMs !== undefined) return release(quietMs, { holdStarts: true })
      if (status === 429) context.report({ result: 'refused' })
      throw new ForebayError('TARGET_FAILED', told)
    }
    if (status < 400) return dead(`${told} Redirects are not followed.`)
    if (status < 500 && onClientError === 'dead') return dead(told)
    if (status < 500 && onClientError === 'complete') return complete(answer)
    throw new ForebayError('TARGET_FAILED', told)
  }
}

function plainRequest(task: Task, target: URL, method: string): OutgoingRequest {
  return {
    method,
    path: `${target.pathname}${target.search}`,
    headers: [
      ['content-type', 'application/json'],
      ['forebay-task-type', visible(task.type)],
    ],
    body: Buffer.from(JSON.stringify(task.payload)),
  }
}

function throughRequest(request: ThroughRequest, target: URL): OutgoingRequest {
  const [path = '', query] = splitOnce(request.path, '?')
  const search = [target.search.slice(1), query].filter((part) => part !== undefined && part !== '').join('&')
  const body = bodyFromText(request)
  return {
    method: request.method,
    path: `${joined(target.pathname, path)}${search === '' ? '' : `?${search}`}`,
    headers: request.headers,
    body: body.length === 0 ? null : body,
  }
}

/** A target's own trailing slash does not double the caller's. */
function joined(base: string, path: string): string {
  return path === '' ? base : `${base.replace(/\/$/, '')}${path}`
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** With these a target can tell a repeat from a new request. */
function ownHeaders(task: Task, attempt: number): HeaderPair[] {
  return [
    ['forebay-task-id', visible(task.id)],
    ['forebay-attempt', String(attempt)],
  ]
}

function idempotent(headers: readonly HeaderPair[], id: string): HeaderPair[] {
  return headerOf(headers, 'idempotency-key') === undefined
    ? [...headers, ['idempotency-key', visible(id)]]
    : [...headers]
}

/** A producer may choose any text as an id; a header takes visible ASCII only. */
function visible(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(Buffer.from(text).toString())
}

/** What must not reach a dead letter, should the target repeat it in its answer. */
function secretsOf(headers: readonly HeaderPair[], configured: readonly HeaderPair[]): string[] {
  const secret = [...configured, ...headers.filter(([name]) => SECRET_HEADERS.has(name.toLowerCase()))]
  return secret.flatMap(([, value]) => [value, ...value.split(/[\s;=,]+/)]).filter((part) => part.length >= 6)
}

function excerptOf({ body }: Answer, secrets: readonly string[]): string {
  const text = secrets.reduce((kept, secret) => kept.replaceAll(secret, '[redacted]'), body ?? '')
  const excerpt = text.slice(0, EXCERPT_CHARS).replace(/\s+/g, ' ').trim()
  return excerpt === '' ? '.' : `: ${excerpt}`
}

/** Several addresses that were tried fail as one error without words. */
function reasonOf(thrown: unknown): string {
  const [first] = thrown instanceof AggregateError ? (thrown.errors as unknown[]) : [thrown]
  return messageOf(first).replace(/\.$/, '')
}
