/**
 * SQS moves dead letters back by itself (a "message move task"), as they are and without passing through this process. Where
 * it can't (no dead-letter queue by a redrive policy, no permission, another server than SQS) this says so before anything
 * has moved.
 */

import type { SQSClient } from '@aws-sdk/client-sqs'
import { type Clock, sleep } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { codeOf, fromSqs } from './sqs-errors.ts'
import type { Sdk } from './sqs-sdk.ts'

export interface MoveOptions {
  readonly client: SQSClient
  readonly sdk: Sdk
  readonly from: string
  readonly to: string
  readonly clock: Clock
}

const LOOK_AGAIN_MS = 500

/** What says that it can't, or that somebody may not, and not that it failed. */
const CANNOT = /UnsupportedOperation|ResourceNotFound|InvalidAction|AccessDenied|InvalidParameterValue|UnknownOperation/

/** How many it moved; undefined if it can't. */
export async function moveAll({ client, sdk, from, to, clock }: MoveOptions): Promise<number | undefined> {
  const kept = 'what was not moved is still among the dead letters.'
  try {
    await client.send(new sdk.StartMessageMoveTaskCommand({ SourceArn: from, DestinationArn: to }))
  } catch (thrown) {
    if (CANNOT.test(codeOf(thrown))) return undefined
    throw fromSqs(thrown, kept)
  }
  for (;;) {
    const list = new sdk.ListMessageMoveTasksCommand({ SourceArn: from, MaxResults: 1 })
    const { Results = [] } = await client.send(list).catch((thrown: unknown) => {
      throw fromSqs(thrown, kept)
    })
    const { Status, ApproximateNumberOfMessagesMoved: moved = 0, FailureReason: why = '' } = Results[0] ?? {}
    if (Status === 'COMPLETED') return moved
    if (Status !== 'RUNNING') {
      throw new ForebayError('BACKEND_UNAVAILABLE', `SQS stopped moving (${Status} ${why}) after ${moved}; ${kept}`)
    }
    await sleep(clock, LOOK_AGAIN_MS)
  }
}
