/**
 * Typed tasks: a queue that is opened with `tasks: { charge: schema, ... }` types both its producers and its handlers.
 * Any validator that implements Standard Schema v1 (zod, valibot, arktype, ...) will do.
 *
 * What is stored is what the producer gave (JSON); the schema's output, with its defaults and transformations, is made
 * anew for the handler. So a schema may turn a string into a Date, and a task that was queued under an older schema is
 * checked against the present one.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { StoredTask } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import type { Task, TaskInput } from '../task.ts'

export type TaskTypes = Readonly<Record<string, StandardSchemaV1>>

/** A queue that was opened without `tasks`: any type, any JSON payload. */
export type AnyTaskTypes = Readonly<Record<string, StandardSchemaV1<unknown, unknown>>>

/** What `enqueue` takes. */
export type InputOf<Types extends TaskTypes> = {
  [Type in keyof Types & string]: TaskInput<Type, StandardSchemaV1.InferInput<Types[Type]>>
}[keyof Types & string]

/** What a handler gets. */
export type TaskOf<Types extends TaskTypes> = {
  [Type in keyof Types & string]: Task<Type, StandardSchemaV1.InferOutput<Types[Type]>>
}[keyof Types & string]

/** Checks a payload on its way in. Resolves with nothing; rejects with UNKNOWN_TASK_TYPE or INVALID_PAYLOAD. */
export async function checkPayload(types: TaskTypes | undefined, type: string, payload: unknown): Promise<void> {
  if (types) await validate(types, type, payload)
}

/** Makes the handler's task from the stored one. Rejects with INVALID_PAYLOAD or UNKNOWN_TASK_TYPE if it can't be read. */
export async function readTask<Types extends TaskTypes>(
  types: Types | undefined,
  stored: StoredTask,
): Promise<TaskOf<Types>> {
  const parsed = parseTask<Types>(stored)
  return types ? ({ ...parsed, payload: await validate(types, stored.type, parsed.payload) } as TaskOf<Types>) : parsed
}

/** Of a queue without schemas. @throws ForebayError INVALID_PAYLOAD if it can't be read. */
export function parseTask<Types extends TaskTypes>(stored: StoredTask): TaskOf<Types> {
  try {
    return { ...stored, payload: JSON.parse(stored.payload) } as TaskOf<Types>
  } catch (cause) {
    throw new ForebayError('INVALID_PAYLOAD', `The stored payload of task ${stored.id} is not JSON.`, { cause })
  }
}

async function validate(types: TaskTypes, type: string, payload: unknown): Promise<unknown> {
  const schema = Object.hasOwn(types, type) ? types[type] : undefined
  if (!schema) {
    const known = Object.keys(types).join(', ')
    throw new ForebayError('UNKNOWN_TASK_TYPE', `This queue has no task type "${type}"; it has: ${known}.`, {
      path: 'type',
    })
  }
  const result = await schema['~standard'].validate(payload)
  if (!result.issues) return result.value
  const issue = result.issues[0]
  const path = ['payload', ...(issue?.path ?? []).map(segmentOf)].join('.')
  const more = result.issues.length > 1 ? ` (and ${result.issues.length - 1} more)` : ''
  throw new ForebayError('INVALID_PAYLOAD', `${path} of a "${type}" task: ${issue?.message}${more}.`, { path })
}

function segmentOf(segment: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof segment === 'object' ? segment.key : segment)
}
