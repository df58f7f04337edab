/**
 * An endpoint: one path, what answers there, and what the OpenAPI document says of it. The routes and the document are made
 * from the same list, so that they cannot differ.
 */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { ForebayError } from '../errors.ts'
import type { Gateway } from './gateway.ts'
import type { GatewayQueue } from './gateway-queue.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface Parameter {
  readonly in: 'query' | 'header'
  readonly name: string
  readonly description: string
  readonly schema: Readonly<Record<string, unknown>>
}

export interface Answered {
  readonly description: string
  /** A JSON schema; absent where the body is not JSON of ours. */
  readonly schema?: Readonly<Record<string, unknown>>
}

export interface Endpoint {
  readonly methods: readonly Method[]
  /** As the router has it: `/v1/queues/:queue`. */
  readonly path: string
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  /** Media types to JSON schemas. */
  readonly body?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** By status. What any request may be answered (401, 403, ...) is added to each. */
  readonly answers: Readonly<Record<number, Answered>>
  /** Whether it reads the request's body itself, whatever its method and media type. */
  readonly readsRawBody?: boolean
  /** Whether every method has an effect, also GET. */
  readonly alwaysActs?: boolean
  /** Answers by sending, or by what it returns. */
  handle(gateway: Gateway, request: FastifyRequest, reply: FastifyReply): unknown
}

/** @throws ForebayError UNKNOWN_QUEUE. */
export function queueOf(gateway: Gateway, request: FastifyRequest): GatewayQueue {
  const { queue: name } = request.params as { queue: string }
  const queue = gateway.queues.get(name)
  if (!queue) throw new ForebayError('UNKNOWN_QUEUE', `There is no queue "${name.slice(0, 100)}".`, { path: 'queue' })
  return queue
}

/** The body (or query) as its schema has it. @throws ForebayError INVALID_REQUEST with the path of the fault. */
export function checked<Schema extends z.ZodType>(schema: Schema, given: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.map(String).join('.') ?? ''
  throw new ForebayError('INVALID_REQUEST', `${what}${path && `, ${path}`}: ${issue?.message}. Nothing was done.`, {
    path,
  })
}
