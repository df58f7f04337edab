/**
 * `sqs://[REGION]/[PREFIX][?endpoint=https://...][&fifo=true][&fair=true][&create=false][&lingerMs=20]`. The name of the queue at SQS is
 * PREFIX and the queue's name, `sqs://eu-central-1/shop-` and `orders` make `shop-orders`. Without a region, and for
 * credentials, the SDK's own chain is asked.
 */

import { ForebayError } from '../../errors.ts'

export interface SqsAddress {
  readonly region?: string
  readonly prefix: string
  readonly endpoint?: string
  readonly fifo: boolean
  readonly fair: boolean
  readonly create: boolean
  readonly lingerMs?: number
}

const PARAMETERS = ['endpoint', 'fifo', 'fair', 'create', 'lingerMs']

/** @throws ForebayError `INVALID_URL` */
export function parseSqsUrl(text: string): SqsAddress {
  const [, region = '', prefix = '', query = ''] = /^sqs:(?:\/\/([^/?]*)(?:\/([^?]*))?)?(?:\?(.*))?$/.exec(text) ?? []
  if (!/^sqs:(\/\/|\?|$)/.test(text) || !/^[a-z0-9-]*$/.test(region)) {
    throw invalid('An SQS URL names a region; write sqs://eu-central-1, or sqs: for the one of the environment.')
  }
  if (!/^[A-Za-z0-9_-]*$/.test(prefix)) {
    throw invalid(`"${prefix}" is no prefix of a queue's name: letters, digits, "-" and "_".`)
  }
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`An SQS URL has no parameter "${name}"; known are ${PARAMETERS.join(', ')}.`)
    }
  }
  const endpoint = parameters.get('endpoint')
  if (endpoint !== null && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    throw invalid(`"${endpoint}" is no endpoint; write for example endpoint=http://127.0.0.1:4566.`)
  }
  const lingerMs = parameters.get('lingerMs')
  if (lingerMs !== null && !/^\d{1,4}$/.test(lingerMs)) throw invalid('lingerMs is a number of milliseconds.')
  return {
    ...(region !== '' && { region }),
    prefix,
    ...(endpoint !== null && { endpoint }),
    fifo: flag(parameters, 'fifo', false),
    fair: flag(parameters, 'fair', false),
    create: flag(parameters, 'create', true),
    ...(lingerMs !== null && { lingerMs: Number(lingerMs) }),
  }
}

function flag(parameters: URLSearchParams, name: string, usual: boolean): boolean {
  const value = parameters.get(name) ?? String(usual)
  if (value !== 'true' && value !== 'false') throw invalid(`${name} is true or false, not "${value}".`)
  return value === 'true'
}

function invalid(message: string): ForebayError {
  return new ForebayError('INVALID_URL', message)
}
