/** The client library, loaded when it is needed. */

import type { SQSClient } from '@aws-sdk/client-sqs'
import { ForebayError, messageOf } from '../../errors.ts'

export type Sdk = typeof import('@aws-sdk/client-sqs')

/** A long poll takes 20 s; who has heard nothing for so long hears nothing any more. */
const REQUEST_MS = 30_000
const CONNECT_MS = 3_000

export async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-sqs')
  } catch (thrown) {
    const message = `The sqs backend needs the package @aws-sdk/client-sqs: npm install @aws-sdk/client-sqs (${messageOf(thrown)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}

/** Region and credentials are found by the SDK: environment, shared files, container, instance. */
export function makeClient({ SQSClient }: Sdk, region: string | undefined, endpoint: string | undefined): SQSClient {
  return new SQSClient({
    ...(region !== undefined && { region }),
    // With an endpoint of one's own the host in a queue's URL need not be one that can be reached.
    ...(endpoint !== undefined && { endpoint, useQueueUrlAsEndpoint: false }),
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
  })
}
