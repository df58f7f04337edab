/** The client library, loaded when it is needed. */

import type { CloudTasksClient } from '@google-cloud/tasks'
import { ForebayError, messageOf } from '../../errors.ts'

const NAME = '@google-cloud/tasks'

/**
 * A client that finds who we are by Google's own chain: environment, `gcloud`, the machine's service account.
 *
 * @throws ForebayError `MISSING_PACKAGE`
 */
export async function makeClient(): Promise<CloudTasksClient> {
  const { CloudTasksClient: Client } = await load()
  return new Client()
}

async function load() {
  try {
    return await import('@google-cloud/tasks')
  } catch (cause) {
    const message = `The cloud-tasks backend needs the package ${NAME}: npm install ${NAME} (${messageOf(cause)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause })
  }
}
