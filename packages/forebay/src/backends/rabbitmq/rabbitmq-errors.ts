/** RabbitMQ's errors in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

/** RabbitMQ's code of an error, such as `PRECONDITION_FAILED`; empty if it has none. */
export function rabbitmqCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
}

/**
 * @param place The server, for the message, without its password.
 * @param kept What became of what was asked for, in a sentence.
 */
export function fromRabbitmq(thrown: unknown, place: string, kept: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const code = rabbitmqCode(thrown)
  const says = messageOf(thrown)
  const details = { cause: thrown }
  if (code === 'PRECONDITION_FAILED' && says.includes('inequivalent arg')) {
    const what = /inequivalent arg '([^']*)' for queue '([^']*)'.*?: (.*)$/.exec(says)
    const how = what ? `The queue "${what[2]}" at ${place} was made with another ${what[1]} (${what[3]})` : says
    const todo = 'Open it as it was made, under another name or prefix, or delete it when it is empty'
    return new ForebayError('INVALID_OPTION', `${how}. ${kept} ${todo}.`, { path: 'queueType', ...details })
  }
  if (code === 'ACCESS_REFUSED' || code === 'NOT_ALLOWED') {
    return new ForebayError('BACKEND_UNAVAILABLE', `RabbitMQ at ${place} refused access (${says}). ${kept}`, details)
  }
  if (code === 'NACK') {
    const message = `RabbitMQ at ${place} refused the message: a limit of the queue or of the server was reached. ${kept}`
    return new ForebayError('BACKEND_UNAVAILABLE', message, details)
  }
  return new ForebayError('BACKEND_UNAVAILABLE', `RabbitMQ at ${place} can't be asked (${says}). ${kept}`, details)
}
