/**
 * `azure-queue:[//ACCOUNT[/PREFIX]][?endpoint=https://...][&create=false][&encoding=utf8]`. The name of the queue at Azure is
 * PREFIX and the queue's name. Without an account the connection string of the environment is used.
 */

import { ForebayError } from '../../errors.ts'

/** How a message's text is written: `base64` as Azure Functions does it, or as it is, with a third more room. */
export type Encoding = 'base64' | 'utf8'

export interface AzureAddress {
  /** The account's queue service; undefined: as the connection string says. */
  readonly endpoint?: string
  readonly prefix: string
  readonly create: boolean
  readonly encoding: Encoding
}

const PARAMETERS = ['endpoint', 'create', 'encoding']

/** @throws ForebayError `INVALID_URL` */
export function parseAzureUrl(text: string): AzureAddress {
  const form = /^azure-queue:(?:\/\/([a-z0-9]*)(?:\/([a-z0-9-]*))?)?(?:\?(.*))?$/
  const [matched, account = '', prefix = '', query = ''] = form.exec(text) ?? []
  if (matched === undefined) {
    throw invalid(
      'An Azure queue URL names a storage account; write azure-queue://myaccount, or azure-queue: for AZURE_STORAGE_CONNECTION_STRING.',
    )
  }
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`An Azure queue URL has no parameter "${name}"; known are ${PARAMETERS.join(', ')}.`)
    }
  }
  const given = parameters.get('endpoint')
  if (given !== null && !/^https?:$/.test(URL.parse(given)?.protocol ?? '')) {
    throw invalid(`"${given}" is no endpoint; write for example endpoint=http://127.0.0.1:10001/devstoreaccount1.`)
  }
  const endpoint = given ?? (account === '' ? undefined : `https://${account}.queue.core.windows.net`)
  const create = parameters.get('create') ?? 'true'
  if (create !== 'true' && create !== 'false') throw invalid(`create is true or false, not "${create}".`)
  const encoding = parameters.get('encoding') ?? 'base64'
  if (encoding !== 'base64' && encoding !== 'utf8') throw invalid(`encoding is base64 or utf8, not "${encoding}".`)
  return { ...(endpoint !== undefined && { endpoint }), prefix, create: create === 'true', encoding }
}

function invalid(message: string): ForebayError {
  return new ForebayError('INVALID_URL', message)
}
