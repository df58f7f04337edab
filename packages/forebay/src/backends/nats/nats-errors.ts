/** What NATS answers, in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

/** An error that a JetStream server answered with. */
export class JetStreamError extends Error {
  override readonly name = 'JetStreamError'
  /** NATS's own number of it (server/errors.json). */
  readonly number: number

  constructor(number: number, description: string) {
    super(description)
    this.number = number
  }
}

/** Nobody listens on the subject: a stream or a consumer is gone, or the server has no JetStream. */
export class NobodyListens extends Error {
  override readonly name = 'NobodyListens'
}

const WRONG_LAST_SEQUENCE = [10071, 10164]
const NOT_THERE = [10037, 10043]
const CONSUMER_GONE = [10014]
const STREAM_GONE = [10059, 10060]
/** Older servers give every reason why a message could not be deleted one number. */
const DELETE_FAILED = 10057

/** Somebody else wrote to the subject since. */
export function isOutrun(thrown: unknown): boolean {
  return thrown instanceof JetStreamError && WRONG_LAST_SEQUENCE.includes(thrown.number)
}

/** Undefined in the place of an error that somebody else was first. */
export async function unlessOutrun<Stored>(storing: Promise<Stored>): Promise<Stored | undefined> {
  try {
    return await storing
  } catch (thrown) {
    if (isOutrun(thrown)) return undefined
    throw thrown
  }
}

/** There is no such message. */
export function isNotThere(thrown: unknown): boolean {
  if (!(thrown instanceof JetStreamError)) return false
  const { number, message } = thrown
  return (
    NOT_THERE.includes(number) || (number === DELETE_FAILED && /no message found|EOF|deleted message/.test(message))
  )
}

/** A stream or consumer of the queue is missing, or is not the one that it was. */
export function isGone(thrown: unknown): boolean {
  if (thrown instanceof NobodyListens) return true
  return thrown instanceof JetStreamError && [...CONSUMER_GONE, ...STREAM_GONE].includes(thrown.number)
}

const FULL =
  /no space left|insufficient (storage |memory )?resources|resource limits exceeded|maximum (bytes|messages) exceeded/i

/** There is no room for a message. */
export function isFull(thrown: unknown): thrown is JetStreamError {
  return thrown instanceof JetStreamError && FULL.test(thrown.message)
}

export function fromNats(thrown: unknown): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const says = messageOf(thrown)
  const details = { cause: thrown }
  if (isFull(thrown)) {
    return new ForebayError('DISK_FULL', `The NATS server has no space left (${says}); nothing was stored.`, details)
  }
  if (isGone(thrown)) {
    const message = `JetStream, or a stream of the queue, is not there on this NATS server (${says}).`
    return new ForebayError('BACKEND_UNAVAILABLE', message, details)
  }
  const message = `The NATS server could not do it (${says}). What was acknowledged is kept.`
  return new ForebayError('BACKEND_UNAVAILABLE', message, details)
}
