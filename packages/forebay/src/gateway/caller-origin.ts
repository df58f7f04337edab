/**
 * Whose page a browser's request comes from. The gateway on loopback has no tokens, and a browser on the same machine runs
 * the pages of strangers: none of them may queue a task or read an answer. No CORS header is ever sent.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { ForebayError } from '../errors.ts'
import { isLoopback } from './listen-address.ts'

const HARMLESS = new Set(['GET', 'HEAD'])

export interface CallerRules {
  /** Whether the gateway has no tokens: then the host that a caller names must be this machine. */
  readonly loopbackOnly: boolean
}

/**
 * @param alwaysActs Whether every method has an effect, as in through mode, where a GET queues a task.
 * @throws ForebayError FORBIDDEN_ORIGIN.
 */
export function checkOrigin(
  headers: IncomingHttpHeaders,
  method: string,
  alwaysActs: boolean,
  rules: CallerRules,
): void {
  const { host = '', origin } = headers
  // A stranger's name that was made to resolve to loopback (DNS rebinding) still says its name here.
  if (rules.loopbackOnly && !isLoopback(hostnameOf(host))) {
    throw forbidden(
      `The host "${host.slice(0, 100)}" is not this machine, and a gateway without tokens serves only its own machine.`,
    )
  }
  if (origin !== undefined && !isSameOrigin(origin, host)) {
    throw forbidden(`A page of another origin (${origin.slice(0, 100)}) may not call this gateway.`)
  }
  // An image or a form of another site sends no Origin with a GET, but every browser says where it comes from.
  const site = headers['sec-fetch-site']
  const acts = alwaysActs || !HARMLESS.has(method)
  if (acts && (site === 'cross-site' || site === 'same-site')) {
    throw forbidden('A page of another site may not call this gateway.')
  }
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

function hostnameOf(host: string): string {
  return host
    .replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase()
}

function forbidden(sentence: string): ForebayError {
  return new ForebayError('FORBIDDEN_ORIGIN', `${sentence} Nothing was done.`)
}
