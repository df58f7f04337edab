/**
 * `cloud-tasks://PROJECT/LOCATION[/PREFIX]?target=https://...&serviceAccount=...[&audience=...][&listen=8080][&verify=false]
 * [&deadlineMs=1800000][&rate=50][&concurrency=8][&manage=false][&depthEveryMs=10000]`. The name of the queue at Cloud Tasks is PREFIX and the
 * queue's name, `cloud-tasks://shop/europe-west1/eu-` and `orders` make `eu-orders`.
 */

import { ForebayError } from '../../errors.ts'

export interface CloudTasksAddress {
  readonly project?: string
  readonly location?: string
  readonly prefix: string
  readonly target?: string
  readonly serviceAccount?: string
  readonly audience?: string
  readonly verify: boolean
  /** Host and port to listen on. */
  readonly listen?: { readonly host: string; readonly port: number }
  readonly deadlineMs?: number
  readonly rate?: number
  readonly concurrency?: number
  readonly depthEveryMs?: number
  readonly manage: boolean
}

const TEXTS = ['target', 'serviceAccount', 'audience'] as const
const NUMBERS = ['deadlineMs', 'rate', 'concurrency', 'depthEveryMs'] as const
const PARAMETERS: readonly string[] = [...TEXTS, ...NUMBERS, 'verify', 'listen', 'manage']
const FORM = /^cloud-tasks:(?:\/\/([A-Za-z0-9.:-]*)(?:\/([a-z0-9-]*))?(?:\/([A-Za-z0-9-]*))?)?(?:\?(.*))?$/

/** @throws ForebayError `INVALID_URL` */
export function parseCloudTasksUrl(text: string): CloudTasksAddress {
  const [matched, project = '', location = '', prefix = '', query = ''] = FORM.exec(text) ?? []
  if (matched === undefined || (project === '') !== (location === '')) {
    throw invalid(
      'A Cloud Tasks URL names a project and a location; write cloud-tasks://my-project/europe-west1?target=https://...',
    )
  }
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`A Cloud Tasks URL has no parameter "${name}"; known are ${PARAMETERS.join(', ')}.`)
    }
  }
  const texts = TEXTS.map((name) => [name, parameters.get(name) ?? undefined] as const)
  const numbers = NUMBERS.map((name) => [name, numberOf(parameters, name)] as const)
  const given = [...texts, ...numbers].filter(([, value]) => value !== undefined)
  const listen = listenOf(parameters)
  return {
    ...(project !== '' && { project, location }),
    prefix,
    ...Object.fromEntries(given),
    ...(listen && { listen }),
    verify: flag(parameters, 'verify'),
    manage: flag(parameters, 'manage'),
  }
}

function numberOf(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name)
  if (text === null) return undefined
  const number = Number(text)
  if (text.trim() === '' || !(number > 0)) throw invalid(`${name} is a number above 0, not "${text}".`)
  return number
}

/** `8080`, `:8080` or `127.0.0.1:8080`; without a host all addresses of the machine, for the deliveries come from outside. */
function listenOf(parameters: URLSearchParams): CloudTasksAddress['listen'] {
  const text = parameters.get('listen')
  if (text === null) return undefined
  const [matched, host = '', port = ''] = /^(?:([^:]*|\[.*\]):)?(\d{1,5})$/.exec(text) ?? []
  if (matched === undefined || Number(port) > 65_535) {
    throw invalid(`listen is a port, or a host and a port, such as listen=8080; not "${text}".`)
  }
  return { host: host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function flag(parameters: URLSearchParams, name: string): boolean {
  const value = parameters.get(name) ?? 'true'
  if (value !== 'true' && value !== 'false') throw invalid(`${name} is true or false, not "${value}".`)
  return value === 'true'
}

function invalid(message: string): ForebayError {
  return new ForebayError('INVALID_URL', message)
}
