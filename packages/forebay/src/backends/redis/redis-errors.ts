/** Redis's errors in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

/** The code of a server's refusal, such as `READONLY`; undefined if the server did not answer. */
export function replyCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || thrown.name !== 'ReplyError') return undefined
  // A script's error may come wrapped: `ERR Error running script (call to f_...): @user_script:7: OOM command not allowed ...`
  const [, inner] = /^ERR .*@user_script: ?\d+: -?([A-Z]{3,}) /s.exec(thrown.message) ?? []
  return inner ?? /^-?([A-Z]+)/.exec(thrown.message)?.[1] ?? ''
}

/** Refusals of a server that may take it later, or of one that is no longer (or not yet) the one to ask. */
const AWAY: Readonly<Record<string, string>> = {
  READONLY: 'is a replica',
  MASTERDOWN: 'is a replica that has lost its master',
  LOADING: 'is loading its data',
  BUSY: 'is busy with a script',
  CLUSTERDOWN: 'says that its cluster is down',
  TRYAGAIN: 'is moving the queue to another node',
  MOVED: 'has moved the queue to another node',
  ASK: 'is moving the queue to another node',
  CROSSSLOT: 'is moving the queue to another node',
  NOREPLICAS: 'has fewer replicas than min-replicas-to-write',
  OOM: 'has no memory left (maxmemory)',
  MISCONF: 'cannot write to its disk',
  UNBLOCKED: 'has become a replica',
  UNKILLABLE: 'is busy with a script',
  NOAUTH: 'asks for a password',
  WRONGPASS: 'refuses the password',
  NOPERM: 'refuses this user',
}

/** Codes after which the connection leads to the wrong server: it is made anew. */
export function pointsElsewhere(thrown: unknown): boolean {
  const code = replyCode(thrown)
  return code === 'READONLY' || code === 'MASTERDOWN' || code === 'UNBLOCKED' || code === 'CLUSTERDOWN'
}

export function isMissingScript(thrown: unknown): boolean {
  return replyCode(thrown) === 'NOSCRIPT'
}

export function fromRedis(thrown: unknown): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const code = replyCode(thrown)
  const details = { cause: thrown }
  if (code === undefined) {
    const message = `The connection to Redis was lost (${messageOf(thrown)}); whether this was done is not known.`
    return new ForebayError('BACKEND_UNAVAILABLE', message, details)
  }
  const state = AWAY[code]
  if (state !== undefined) {
    return new ForebayError('BACKEND_UNAVAILABLE', `The Redis server ${state} (${code}); nothing was done.`, details)
  }
  return new ForebayError('INTERNAL', `Redis refused: ${messageOf(thrown)}. Nothing was done.`, details)
}
