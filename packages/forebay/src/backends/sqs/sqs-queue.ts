/**
 * One queue at SQS: its requests, in batches of ten. An entry that fails beside others that do not is sent again by itself
 * (with full jitter), as long as another try may help; what is left is answered as an error of its own.
 */

import type { SQSClient } from '@aws-sdk/client-sqs'
import { type Clock, sleep } from '../../clock.ts'
import type { ForebayError } from '../../errors.ts'
import { fullJitter } from '../../flow/backoff.ts'
import type { RandomSource } from '../../random.ts'
import { plainTextOf } from '../task-letter.ts'
import { EntryBatches } from './entry-batches.ts'
import { codeOf, fromSqs, isLapsed, mayPass, sqsError } from './sqs-errors.ts'
import type { Sdk } from './sqs-sdk.ts'

export interface SqsMessage {
  readonly messageId: string
  readonly receipt: string
  readonly body: string
  /** How often it was received, this time included. */
  readonly received: number
  /** By the clock of SQS. */
  readonly sentAt: number
  readonly firstReceivedAt: number
}

export interface Outgoing {
  readonly body: string
  /** Whole seconds, at most 900; a FIFO queue takes none. */
  readonly delaySeconds?: number
  /** FIFO: what is received one after another. Else: whom it is fair to. */
  readonly group?: string
  /** FIFO: the same one within five minutes is stored once. */
  readonly dedupId?: string
}

/** Undefined: done. */
export type Done = ForebayError | undefined
/** `lapsed`: the receipt is no longer that of the message. */
export type Changed = Done | 'lapsed'

export interface QueueIdentity {
  readonly url: string
  readonly arn: string
  readonly fifo: boolean
  readonly fair: boolean
  readonly maxMessageBytes: number
}

export interface Counts {
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
}

export interface SqsQueueOptions {
  readonly client: SQSClient
  readonly sdk: Sdk
  readonly identity: QueueIdentity
  readonly clock: Clock
  readonly random: RandomSource
  /** For what ends or changes a message; who sends one does not wait. */
  readonly lingerMs: number
}

interface Entry {
  readonly Id: string
}

interface Failure {
  readonly Id?: string | undefined
  readonly Code?: string | undefined
  readonly Message?: string | undefined
  readonly SenderFault?: boolean | undefined
}

interface Answer {
  readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined
  readonly Failed?: readonly Failure[] | undefined
}

interface Refused {
  readonly code: string
  readonly error: ForebayError
  readonly lapsed: boolean
}

const REQUESTS = 16
const TRIES = 4
const BACKOFF = { baseMs: 100, capMs: 2_000 }
const LONGEST_POLL_S = 20
export const RECEIVED_AT_ONCE = 10

export class SqsQueue {
  readonly identity: QueueIdentity
  readonly #options: SqsQueueOptions
  readonly #sending: EntryBatches<Outgoing, Done>
  readonly #deleting: EntryBatches<string, Done>
  readonly #changing: EntryBatches<{ readonly receipt: string; readonly seconds: number }, Changed>

  constructor(options: SqsQueueOptions) {
    this.#options = options
    this.identity = options.identity
    const { clock, lingerMs } = options
    const { fifo, maxMessageBytes: maxBytes } = options.identity
    // Two requests at a time could change places.
    const sending = { clock, lingerMs: 0, requests: fifo ? 1 : REQUESTS, maxBytes }
    const bytesOf = ({ body }: Outgoing) => Buffer.byteLength(body)
    this.#sending = new EntryBatches({ ...sending, bytesOf, send: (items) => this.#send(items) })
    const rest = { clock, lingerMs, requests: REQUESTS, maxBytes, bytesOf: () => 0 }
    this.#deleting = new EntryBatches({ ...rest, send: (receipts) => this.#delete(receipts) })
    this.#changing = new EntryBatches({ ...rest, send: (items) => this.#change(items) })
  }

  /** Resolves when it is stored on several servers. */
  send(message: Outgoing): Promise<Done> {
    return this.#sending.add(message)
  }

  /** SQS does not tell whether the receipt was still that of the message. */
  delete(receipt: string): Promise<Done> {
    return this.#deleting.add(receipt)
  }

  /** Hides a message that was received for so many seconds from now; 0 gives it back. */
  hide(receipt: string, seconds: number): Promise<Changed> {
    return this.#changing.add({ receipt, seconds })
  }

  /** @param waitSeconds 0 asks some of the servers and answers at once; 1 to 20 asks all, and waits. */
  async receive(max: number, hideSeconds: number, waitSeconds: number, signal?: AbortSignal): Promise<SqsMessage[]> {
    const { client, sdk, identity } = this.#options
    const command = new sdk.ReceiveMessageCommand({
      QueueUrl: identity.url,
      MaxNumberOfMessages: Math.min(max, RECEIVED_AT_ONCE),
      VisibilityTimeout: hideSeconds,
      WaitTimeSeconds: Math.min(waitSeconds, LONGEST_POLL_S),
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp', 'ApproximateFirstReceiveTimestamp'],
    })
    const { Messages = [] } = await client.send(command, signal ? { abortSignal: signal } : {})
    return Messages.map(({ MessageId = '', ReceiptHandle = '', Body = '', Attributes = {} }) => ({
      messageId: MessageId,
      receipt: ReceiptHandle,
      body: Body,
      received: Number(Attributes.ApproximateReceiveCount ?? 1),
      sentAt: Number(Attributes.SentTimestamp ?? 0),
      firstReceivedAt: Number(Attributes.ApproximateFirstReceiveTimestamp ?? 0),
    }))
  }

  /** As SQS knows them: about right, some seconds late. */
  async counts(): Promise<Counts> {
    const { client, sdk, identity } = this.#options
    const command = new sdk.GetQueueAttributesCommand({
      QueueUrl: identity.url,
      AttributeNames: [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesDelayed',
        'ApproximateNumberOfMessagesNotVisible',
      ],
    })
    const { Attributes = {} } = await client.send(command)
    return {
      ready: Number(Attributes.ApproximateNumberOfMessages ?? 0),
      delayed: Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
      inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    }
  }

  async #send(messages: readonly Outgoing[]): Promise<Done[]> {
    const { client, sdk, identity } = this.#options
    const entryOf = ({ body, delaySeconds, group, dedupId }: Outgoing, Id: string) => ({
      Id,
      MessageBody: body,
      ...(delaySeconds !== undefined && !identity.fifo && { DelaySeconds: delaySeconds }),
      ...(group !== undefined && { MessageGroupId: group }),
      ...(dedupId !== undefined && identity.fifo && { MessageDeduplicationId: dedupId }),
    })
    const send = (Entries: ReturnType<typeof entryOf>[]) =>
      client.send(new sdk.SendMessageBatchCommand({ QueueUrl: identity.url, Entries }))
    // Of a FIFO queue's entries none is sent again: others would have overtaken it. Who pushes again repeats nothing.
    const tries = identity.fifo ? 1 : TRIES
    const refused = await this.#entries(
      messages.map((message, at) => entryOf(message, String(at))),
      send,
      tries,
    )
    // Some servers refuse characters that SQS takes; escaped they are the same JSON.
    const plain = messages.flatMap((message, at) =>
      refused[at]?.code === 'InvalidMessageContents'
        ? [entryOf({ ...message, body: plainTextOf(message.body) }, String(at))]
        : [],
    )
    const again = await this.#entries(plain, send, tries)
    plain.forEach(({ Id }, at) => {
      refused[Number(Id)] = again[at]
    })
    return refused.map((one) => one?.error)
  }

  async #delete(receipts: readonly string[]): Promise<Done[]> {
    const { client, sdk, identity } = this.#options
    const entries = receipts.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }))
    const refused = await this.#entries(entries, (Entries) =>
      client.send(new sdk.DeleteMessageBatchCommand({ QueueUrl: identity.url, Entries })),
    )
    return refused.map((one) => (one?.lapsed ? undefined : one?.error))
  }

  async #change(items: readonly { readonly receipt: string; readonly seconds: number }[]): Promise<Changed[]> {
    const { client, sdk, identity } = this.#options
    const entries = items.map(({ receipt, seconds }, at) => ({
      Id: String(at),
      ReceiptHandle: receipt,
      VisibilityTimeout: seconds,
    }))
    const refused = await this.#entries(entries, (Entries) =>
      client.send(new sdk.ChangeMessageVisibilityBatchCommand({ QueueUrl: identity.url, Entries })),
    )
    return refused.map((one) => (one?.lapsed ? 'lapsed' : one?.error))
  }

  /** Answers each entry's refusal; undefined if there was none. */
  async #entries<One extends Entry>(
    entries: readonly One[],
    send: (entries: One[]) => Promise<Answer>,
    tries = TRIES,
  ): Promise<(Refused | undefined)[]> {
    const { clock, random } = this.#options
    const refused = new Map<string, Refused>()
    let left = [...entries]
    for (let attempt = 1; left.length > 0; attempt++) {
      if (attempt > 1) await sleep(clock, fullJitter(attempt - 1, random.next(), BACKOFF))
      let answer: Answer
      try {
        answer = await send(left)
      } catch (thrown) {
        // The SDK has tried it several times.
        const error = fromSqs(thrown, 'whether it was done is not known.')
        for (const { Id } of left) refused.set(Id, { code: codeOf(thrown), error, lapsed: false })
        break
      }
      for (const { Id } of left) refused.delete(Id)
      const done = new Set(answer.Successful?.map(({ Id }) => Id))
      const failures = new Map(answer.Failed?.map((failure) => [failure.Id, failure]))
      left = left.filter(({ Id }) => {
        if (done.has(Id)) return false
        const failure = failures.get(Id) ?? NOT_TOLD
        refused.set(Id, refusalOf(failure))
        return attempt < tries && mayPass(failure)
      })
    }
    return entries.map(({ Id }) => refused.get(Id))
  }
}

/** An entry that is answered neither way was not taken. */
const NOT_TOLD: Failure = { Code: 'InternalError', Message: 'it was not answered' }

function refusalOf({ Code = '', Message = '' }: Failure): Refused {
  const error = sqsError(Code, Message, 'it was not done.')
  return { code: Code, error, lapsed: isLapsed(Code, Message) }
}
