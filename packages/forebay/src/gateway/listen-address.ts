/** Where the gateway listens: `host:port`, `[v6]:port` or a port alone. */

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { ForebayError } from '../errors.ts'

export interface ListenAddress {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** @throws ForebayError INVALID_OPTION. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:(?<v4>[^:[\]]*):|\[(?<v6>[0-9a-f:.]+)\]:)?(?<port>\d{1,5})$/i.exec(text.trim())
  const port = Number(match?.groups?.port)
  if (!match || port > 65_535) {
    throw new ForebayError('INVALID_OPTION', `"${text}" is no address to listen at, such as 127.0.0.1:8080.`, {
      path: 'listen',
    })
  }
  return { host: match.groups?.v6 ?? (match.groups?.v4 || '127.0.0.1'), port }
}

/** Whether only this machine can reach it. */
export function isLoopback(host: string): boolean {
  if (isIP(host) !== 0) return ipaddr.process(host).range() === 'loopback'
  return host === 'localhost' || host.endsWith('.localhost')
}
