/** `amqp[s]://[user:password@]host[:port][/vhost][?queueType=quorum|classic&prefix=...&heartbeat=seconds]` */

import { ForebayError, messageOf } from '../../errors.ts'

export type QueueType = 'quorum' | 'classic'

export interface RabbitmqPlace {
  /** For the client: without our own parameters. */
  readonly url: string
  /** For messages: without the password. */
  readonly shown: string
  readonly queueType?: QueueType
  readonly prefix?: string
}

/** The client reads the rest. */
const OURS = ['queueType', 'prefix']
const KNOWN = [...OURS, 'heartbeat', 'connection_timeout', 'channel_max']

/** How often a connection that is silent says that it is there, seconds: after twice as long it counts as lost, on both sides. */
const HEARTBEAT_S = 10

/** @throws ForebayError `INVALID_URL` */
export function parseRabbitmqUrl(text: string): RabbitmqPlace {
  const url = parse(text)
  const shown = `${url.host}${url.pathname === '/' ? '' : url.pathname}`
  const unknown = [...url.searchParams.keys()].find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) {
    throw invalid(`The URL of ${shown} has the parameter "${unknown}"; known are ${KNOWN.join(', ')}.`)
  }
  const queueType = url.searchParams.get('queueType') ?? undefined
  if (queueType !== undefined && queueType !== 'quorum' && queueType !== 'classic') {
    throw invalid(`The URL of ${shown} has queueType "${queueType}"; it is quorum or classic.`)
  }
  const prefix = url.searchParams.get('prefix') ?? undefined
  for (const name of OURS) url.searchParams.delete(name)
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_S))
  if (url.username === '') Object.assign(url, { username: 'guest', password: 'guest' })
  return { url: url.href, shown, ...(queueType && { queueType }), ...(prefix !== undefined && { prefix }) }
}

function parse(text: string): URL {
  try {
    const url = new URL(text)
    if (url.hostname !== '') return url
  } catch (thrown) {
    throw invalid(`The URL can't be read (${messageOf(thrown)}); write amqp://user:password@host/vhost.`)
  }
  throw invalid('The URL names no server; write amqp://user:password@host/vhost.')
}

function invalid(message: string): ForebayError {
  return new ForebayError('INVALID_URL', message)
}
