/**
 * Where payloads go that are too large for the engine's messages (a "claim check"): the payload is stored first, the message
 * names it, and it is deleted after its task has ended. What a crash leaves behind in between is left for the store's own
 * rule of expiry, which must keep blobs longer than the queue keeps messages.
 */

import { ForebayError, messageOf } from '../errors.ts'
import type { RandomSource } from '../random.ts'
import type { Letter } from './task-letter.ts'

export interface BlobStore {
  /** Resolves when it is as durable as the queue. */
  put(key: string, text: string): Promise<void>
  /** Undefined if there is none. */
  get(key: string): Promise<string | undefined>
  delete(key: string): Promise<void>
}

/** The longest payload that goes to a blob store: a task is handled in memory. */
export const MAX_BLOB_BYTES = 64 * 1024 * 1024

/** Puts the payload away; answers the letter that names it. */
export async function checkIn(blobs: BlobStore, queue: string, letter: Letter, random: RandomSource): Promise<Letter> {
  const name = Buffer.from(random.bytes(16)).toString('hex')
  const blob = `${queue}/${name}`
  try {
    await blobs.put(blob, letter.payload)
  } catch (cause) {
    const message = `The payload could not be put into the blob store (${messageOf(cause)}); the task was not stored.`
    throw new ForebayError('BACKEND_UNAVAILABLE', message, { cause })
  }
  return { record: { ...letter.record, blob }, payload: '' }
}

/** The payload of a letter, from where it is; undefined if it is gone. */
export async function checkOut(blobs: BlobStore | undefined, { record, payload }: Letter): Promise<string | undefined> {
  if (record.blob === undefined) return payload
  if (!blobs) {
    const message = 'The payload of a task is in a blob store, and this queue was opened without one; the task is kept.'
    throw new ForebayError('INVALID_OPTION', message, { path: 'blobs' })
  }
  return blobs.get(record.blob)
}

/** After the end of its task: a blob that stays behind harms nobody. */
export async function forgetBlob(blobs: BlobStore | undefined, { record }: Letter): Promise<void> {
  if (blobs && record.blob !== undefined) await blobs.delete(record.blob).catch(() => {})
}
