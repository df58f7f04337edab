/**
 * What a task must be to come in: its fields within their bounds, its payload JSON and not too large, and no wish beyond
 * what the backend can keep. Everything is refused here, before anything is stored, with the path of the fault.
 */

import type { Capabilities, NewTask, QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { TASK_BOUNDS, type TaskInput } from '../task.ts'
import { QUEUE_DEFAULTS, type QueueOptions } from './options.ts'
import type { AnyTaskTypes } from './task-types.ts'

export interface AdmissionRules {
  readonly backend: string
  readonly capabilities: Capabilities
  readonly maxPayloadBytes: number
  readonly dedupWindowMs: number
  /** A key's weight in the fair order; undefined: it has no line of its own. */
  readonly weightOf: (key: string) => number | undefined
  /** The time by which `at` becomes a delay, epoch ms. */
  readonly now: () => number
}

/** @param spill Where `overflow: spill` spills to: it must be able to take what the queue takes. */
export function rulesOf(
  { backend, capabilities }: QueueService,
  spill: QueueService | undefined,
  options: Pick<QueueOptions<AnyTaskTypes>, 'maxPayloadBytes' | 'maxBytes' | 'dedupWindowMs'>,
  weightOf: AdmissionRules['weightOf'],
  clock: Clock,
): AdmissionRules {
  return {
    backend,
    capabilities,
    maxPayloadBytes: Math.min(
      options.maxPayloadBytes ?? QUEUE_DEFAULTS.maxPayloadBytes,
      capabilities.maxPayloadBytes,
      spill?.capabilities.maxPayloadBytes ?? Number.POSITIVE_INFINITY,
      // What is larger than the whole queue would never fit.
      options.maxBytes ?? Number.POSITIVE_INFINITY,
    ),
    dedupWindowMs: options.dedupWindowMs ?? QUEUE_DEFAULTS.dedupWindowMs,
    weightOf,
    now: () => clock.now(),
  }
}

/** @throws ForebayError INVALID_TASK, INVALID_PAYLOAD, PAYLOAD_TOO_LARGE or UNSUPPORTED. */
export function admit(input: TaskInput, newId: () => string, rules: AdmissionRules): NewTask {
  checkFields(input)
  const { capabilities, backend } = rules
  const delayMs = input.at === undefined ? (input.delayMs ?? 0) : delayUntil(input.at, rules.now())
  if (delayMs > capabilities.maxDelayMs) {
    const path = input.at === undefined ? 'delayMs' : 'at'
    throw unsupported(`a delay of ${delayMs} ms; its longest is ${capabilities.maxDelayMs} ms`, backend, path)
  }
  if (input.priority && capabilities.priority === 'none') throw unsupported('priorities', backend, 'priority')
  const { least = -Infinity, greatest = Infinity } = capabilities.priorities ?? {}
  if (input.priority && (input.priority < least || input.priority > greatest)) {
    throw unsupported(
      `priority ${input.priority}; it tells those from ${least} to ${greatest} apart`,
      backend,
      'priority',
    )
  }
  if (input.ordered && !capabilities.keyOrder) throw unsupported('the order of keys', backend, 'ordered')
  const windowMs = input.dedupWindowMs ?? rules.dedupWindowMs
  if (input.dedupId !== undefined && capabilities.maxDedupWindowMs < windowMs) {
    throw unsupported(`a dedup window of ${windowMs} ms`, backend, 'dedupId')
  }
  const weight = input.key === undefined ? undefined : rules.weightOf(input.key)
  const task: Writable<NewTask> = {
    id: input.id ?? newId(),
    type: input.type,
    payload: serialize(input, rules.maxPayloadBytes),
    priority: input.priority ?? 0,
    delayMs,
  }
  if (input.id === undefined) task.isFresh = true
  if (input.key !== undefined) task.key = input.key
  if (weight !== undefined) task.weight = weight
  if (input.ordered) task.ordered = true
  if (input.cost !== undefined) task.cost = input.cost
  if (input.ttlMs !== undefined) task.ttlMs = input.ttlMs
  if (input.dedupId !== undefined) task.dedup = { id: input.dedupId, windowMs }
  if (input.headers !== undefined) task.headers = input.headers
  return task
}

type Writable<Value> = { -readonly [Field in keyof Value]: Value[Field] }

function checkFields(input: TaskInput): void {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid('A task is an object with at least a type and a payload', '')
  }
  for (const field of Object.keys(input)) {
    if (!FIELDS.has(field)) throw invalid(`A task has no field "${field}"; it has: ${[...FIELDS].join(', ')}`, field)
  }
  checkText(input.type, 'type', TASK_BOUNDS.typeChars, true)
  checkText(input.id, 'id', TASK_BOUNDS.idChars)
  checkText(input.key, 'key', TASK_BOUNDS.keyChars)
  checkText(input.dedupId, 'dedupId', TASK_BOUNDS.dedupIdChars)
  checkSpan(input.delayMs, 'delayMs', 0)
  checkSpan(input.ttlMs, 'ttlMs', 1)
  checkSpan(input.dedupWindowMs, 'dedupWindowMs', 1)
  if (input.at !== undefined && input.delayMs !== undefined) throw invalid('It has a delayMs or an at, not both', 'at')
  if (input.dedupWindowMs !== undefined && input.dedupId === undefined) {
    throw invalid('A dedupWindowMs needs a dedupId, which it is for', 'dedupId')
  }
  const { priority, headers, ordered, cost } = input
  if (ordered !== undefined && typeof ordered !== 'boolean') throw invalid('ordered is true or false', 'ordered')
  if (ordered && input.key === undefined) throw invalid('An ordered task needs a key: order holds within one', 'key')
  if (priority !== undefined && !(Number.isInteger(priority) && Math.abs(priority) <= TASK_BOUNDS.priority)) {
    throw invalid(`priority is a whole number from ${-TASK_BOUNDS.priority} to ${TASK_BOUNDS.priority}`, 'priority')
  }
  if (cost !== undefined && !(typeof cost === 'number' && cost > 0 && cost <= TASK_BOUNDS.cost)) {
    throw invalid(`cost is a number above 0 and at most ${TASK_BOUNDS.cost}`, 'cost')
  }
  if (headers !== undefined) checkHeaders(headers)
}

const FIELDS = new Set([
  'type',
  'payload',
  'id',
  'priority',
  'key',
  'ordered',
  'cost',
  'delayMs',
  'at',
  'ttlMs',
  'dedupId',
  'dedupWindowMs',
  'headers',
])

function checkText(value: unknown, field: string, longest: number, required = false): void {
  if (value === undefined && !required) return
  if (typeof value !== 'string' || value.length === 0 || value.length > longest) {
    throw invalid(`${field} is a text of 1 to ${longest} characters`, field)
  }
}

/** A hundred years: beyond any honest wish, and far within what a double counts exactly. */
const LONGEST_SPAN_MS = 100 * 365 * 24 * 3_600_000

function checkSpan(value: unknown, field: string, least: number): void {
  if (value === undefined) return
  if (typeof value !== 'number' || !(value >= least && value <= LONGEST_SPAN_MS)) {
    throw invalid(`${field} is a number of milliseconds, at least ${least}`, field)
  }
}

/** A moment longer ago was meant as something else, such as seconds given for milliseconds. */
const LONGEST_AGO_MS = LONGEST_SPAN_MS / 10

/** Rounded up, so that it never falls due before its moment. */
function delayUntil(at: unknown, now: number): number {
  const moment = at instanceof Date ? at.getTime() : at
  if (typeof moment !== 'number' || !(moment >= now - LONGEST_AGO_MS && moment <= now + LONGEST_SPAN_MS)) {
    throw invalid('at is a Date or epoch milliseconds, at most ten years ago and a hundred years ahead', 'at')
  }
  return Math.max(0, Math.ceil(moment - now))
}

function checkHeaders(headers: unknown): void {
  const entries = typeof headers === 'object' && headers !== null ? Object.entries(headers) : undefined
  if (!entries?.every(([, value]) => typeof value === 'string'))
    throw invalid('headers are an object of texts', 'headers')
  if (Buffer.byteLength(JSON.stringify(headers)) > TASK_BOUNDS.headersBytes) {
    throw invalid(`headers are at most ${TASK_BOUNDS.headersBytes} bytes together`, 'headers')
  }
}

function serialize(input: TaskInput, maxPayloadBytes: number): string {
  let text: string | undefined
  try {
    text = JSON.stringify(input.payload)
  } catch (cause) {
    throw new ForebayError('INVALID_PAYLOAD', `The payload is not JSON: ${messageOf(cause)}.`, {
      path: 'payload',
      cause,
    })
  }
  if (text === undefined)
    throw new ForebayError('INVALID_PAYLOAD', 'The payload is not JSON: it is missing or a function.', {
      path: 'payload',
    })
  const bytes = Buffer.byteLength(text)
  if (bytes > maxPayloadBytes) {
    const message = `The payload has ${bytes} bytes, and this queue takes at most ${maxPayloadBytes}. Nothing was stored.`
    throw new ForebayError('PAYLOAD_TOO_LARGE', message, { path: 'payload' })
  }
  return text
}

function invalid(sentence: string, path: string): ForebayError {
  return new ForebayError('INVALID_TASK', `${sentence}. Nothing was stored.`, { path })
}

function unsupported(wish: string, backend: string, path: string): ForebayError {
  const message = `The ${backend} backend cannot keep ${wish}. Nothing was stored; sqlite, postgres and redis can.`
  return new ForebayError('UNSUPPORTED', message, { path })
}
