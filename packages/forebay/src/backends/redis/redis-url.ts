/** `redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=forebay][&cluster=true]`, or `rediss://` for TLS. */

import { ForebayError } from '../../errors.ts'

export interface RedisAddress {
  /** As the client library takes it. */
  readonly url: string
  readonly prefix: string | undefined
  /** Whether it is one node of a Redis Cluster. */
  readonly cluster: boolean
}

const PARAMETERS = ['prefix', 'cluster']

/** @throws ForebayError `INVALID_URL`; the message does not repeat the password. */
export function parseRedisUrl(text: string): RedisAddress {
  const url = URL.parse(text)
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    throw new ForebayError('INVALID_URL', 'A Redis URL names a host; write redis://localhost:6379.')
  }
  const where = `${url.protocol}//${url.host}${url.pathname}`
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new ForebayError('INVALID_URL', `"${where}" has a path that is no number of a database; write ${url.host}/0.`)
  }
  for (const name of url.searchParams.keys()) {
    if (PARAMETERS.includes(name)) continue
    const message = `"${where}" has the parameter "${name}"; known are ${PARAMETERS.join(' and ')}.`
    throw new ForebayError('INVALID_URL', message)
  }
  const cluster = url.searchParams.get('cluster') ?? 'false'
  if (cluster !== 'true' && cluster !== 'false') {
    throw new ForebayError('INVALID_URL', `"${where}" has cluster "${cluster}"; it is true or false.`)
  }
  if (cluster === 'true' && Number(url.pathname.slice(1)) !== 0) {
    throw new ForebayError('INVALID_URL', `"${where}" names a database; a cluster has only 0.`)
  }
  const prefix = url.searchParams.get('prefix') ?? undefined
  url.search = ''
  return { url: url.href, prefix, cluster: cluster === 'true' }
}
