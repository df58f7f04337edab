/** The client library, loaded when it is needed, and how it finds the account. */

import type { AnonymousCredential, QueueServiceClient, StorageSharedKeyCredential } from '@azure/storage-queue'
import { ForebayError, messageOf } from '../../errors.ts'

/** What gives tokens, such as a credential of `@azure/identity`, or the account's key. */
export type AzureCredential =
  | StorageSharedKeyCredential
  | AnonymousCredential
  | {
      getToken(
        scopes: string | string[],
        options?: object,
      ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
    }

const CONNECTION_STRING = 'AZURE_STORAGE_CONNECTION_STRING'

/** The library's own first pause is four seconds, and the consumer backs off by itself. */
const SETTINGS = {
  retryOptions: { maxTries: 3, tryTimeoutInMs: 10_000, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 },
} as const

export interface Access {
  readonly endpoint: string | undefined
  readonly connectionString: string | undefined
  readonly credential: AzureCredential | undefined
}

/** @throws ForebayError `MISSING_PACKAGE`, `INVALID_OPTION` */
export async function makeClient({ endpoint, connectionString, credential }: Access): Promise<QueueServiceClient> {
  const sdk = await load(() => import('@azure/storage-queue'), '@azure/storage-queue')
  const text = connectionString ?? (endpoint === undefined ? process.env[CONNECTION_STRING] : undefined)
  try {
    if (text !== undefined) return sdk.QueueServiceClient.fromConnectionString(text, SETTINGS)
  } catch (cause) {
    // It is a secret: it is not repeated.
    const message = `The connection string of the storage account can't be read: ${messageOf(cause)}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'connectionString' })
  }
  if (endpoint === undefined) {
    const message = `Which storage account? Name it (azure-queue://myaccount), or set ${CONNECTION_STRING}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'url' })
  }
  return new sdk.QueueServiceClient(endpoint, credential ?? (await managedIdentity()), SETTINGS)
}

/** Managed identity, workload identity, environment, or who is logged in on the developer's machine. */
async function managedIdentity(): Promise<AzureCredential> {
  const { DefaultAzureCredential } = await load(() => import('@azure/identity'), '@azure/identity')
  return new DefaultAzureCredential()
}

async function load<Module>(importIt: () => Promise<Module>, name: string): Promise<Module> {
  try {
    return await importIt()
  } catch (cause) {
    const message = `The azure-queue backend needs the package ${name}: npm install ${name} (${messageOf(cause)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause })
  }
}
