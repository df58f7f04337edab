/** `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]...][?prefix=...&durability=...&replicas=...]` */

import { ForebayError } from '../../errors.ts'
import type { NatsOptions } from './nats-queue-service.ts'

const PARAMETERS = ['prefix', 'durability', 'replicas'] as const

type FromUrl = Pick<NatsOptions, 'servers' | 'user' | 'password' | 'token' | 'prefix' | 'durability' | 'replicas'>

/** @throws ForebayError `INVALID_URL` */
export function parseNatsUrl(url: string): FromUrl {
  const [, , credentials, hosts = '', query = ''] = /^nats:\/\/((.*)@)?([^/?@]*)\/?(?:\?(.*))?$/s.exec(url) ?? []
  const shown = url.replace(/\/\/.*@/s, '//...@')
  if (hosts === '') throw new ForebayError('INVALID_URL', `"${shown}" names no server; write nats://localhost:4222.`)
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (PARAMETERS.some((known) => known === name)) continue
    const message = `"${shown}" has the parameter "${name}"; known are ${PARAMETERS.join(', ')}.`
    throw new ForebayError('INVALID_URL', message)
  }
  const prefix = parameters.get('prefix')
  const durability = parameters.get('durability')
  const replicas = parameters.get('replicas')
  if (durability !== null && durability !== 'process' && durability !== 'disk') {
    throw new ForebayError('INVALID_URL', `"${shown}" has durability "${durability}"; it is process or disk.`)
  }
  return {
    servers: hosts.split(','),
    ...(credentials !== undefined && credentialsOf(credentials)),
    ...(prefix !== null && { prefix }),
    ...(durability !== null && { durability }),
    ...(replicas !== null && { replicas: Number(replicas) }),
  }
}

function credentialsOf(text: string): Pick<FromUrl, 'user' | 'password' | 'token'> {
  const colon = text.indexOf(':')
  if (colon < 0) return { token: decodeURIComponent(text) }
  return { user: decodeURIComponent(text.slice(0, colon)), password: decodeURIComponent(text.slice(colon + 1)) }
}
