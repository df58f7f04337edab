/** One queue at Azure: its requests, one message each but for receiving, so many at a time. */

import type { QueueClient } from '@azure/storage-queue'
import { fitted, type Letter, letterOf, textOf } from '../task-letter.ts'
import { fromAzure, isLapsed } from './azure-errors.ts'
import type { Encoding } from './azure-url.ts'

export interface AzureMessage {
  readonly messageId: string
  readonly receipt: string
  readonly text: string
  /** How often it was received, this time included. */
  readonly received: number
  readonly insertedAt: number
}

/** A receipt to go on with; undefined if the one that was given is no longer that of the message. */
export type Receipt = string | undefined

/** Azure hides a message for seven days at most. */
export const LONGEST_HIDE_MS = 7 * 24 * 3_600_000
export const RECEIVED_AT_ONCE = 32
const REQUESTS = 32
/** What a message may have, written in Base64 or as it is. */
const MAX_BYTES: Readonly<Record<Encoding, number>> = { base64: (64 * 1024 * 3) / 4, utf8: 64 * 1024 }

/** Whole seconds, rounded up: never before its time. */
export function secondsOf(ms: number): number {
  return Math.ceil(Math.min(ms, LONGEST_HIDE_MS) / 1_000)
}

export class AzureStorageQueue {
  readonly maxBytes: number
  readonly #client: QueueClient
  readonly #encoding: Encoding
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(client: QueueClient, encoding: Encoding) {
    this.#client = client
    this.#encoding = encoding
    this.maxBytes = MAX_BYTES[encoding]
  }

  get name(): string {
    return this.#client.name
  }

  /** It is kept until it is deleted. */
  put(letter: Letter, delayMs: number): Promise<void> {
    const settings = { visibilityTimeout: secondsOf(delayMs), messageTimeToLive: -1 }
    return this.#ask(async () => {
      await this.#client.sendMessage(this.#written(letter), settings)
    }, 'whether it was stored is not known.')
  }

  receive(max: number, hideMs: number, signal?: AbortSignal): Promise<AzureMessage[]> {
    const settings = {
      numberOfMessages: Math.min(max, RECEIVED_AT_ONCE),
      visibilityTimeout: Math.max(1, secondsOf(hideMs)),
      ...(signal && { abortSignal: signal }),
    }
    return this.#ask(async () => {
      const { receivedMessageItems } = await this.#client.receiveMessages(settings)
      return receivedMessageItems.map(({ messageId, popReceipt, messageText, dequeueCount, insertedOn }) => ({
        messageId,
        receipt: popReceipt,
        text: read(messageText),
        received: dequeueCount,
        insertedAt: insertedOn.getTime(),
      }))
    }, 'what was given out comes again.')
  }

  /** The first ones that are visible, without touching them. */
  peek(): Promise<Omit<AzureMessage, 'receipt'>[]> {
    return this.#ask(async () => {
      const { peekedMessageItems } = await this.#client.peekMessages({ numberOfMessages: RECEIVED_AT_ONCE })
      return peekedMessageItems.map(({ messageId, messageText, dequeueCount, insertedOn }) => ({
        messageId,
        text: read(messageText),
        received: dequeueCount,
        insertedAt: insertedOn.getTime(),
      }))
    }, 'nothing was changed.')
  }

  /** Whether the receipt was still that of the message. */
  delete(messageId: string, receipt: string): Promise<boolean> {
    return this.#ask(async () => {
      try {
        await this.#client.deleteMessage(messageId, receipt)
        return true
      } catch (thrown) {
        if (isLapsed(thrown)) return false
        throw thrown
      }
    }, 'whether it was deleted is not known.')
  }

  /** Hides it for so long from now, and writes it anew if a letter is given. */
  update(messageId: string, receipt: string, hideMs: number, letter?: Letter): Promise<Receipt> {
    return this.#ask(async () => {
      try {
        const text = letter && this.#written(letter)
        const { popReceipt } = await this.#client.updateMessage(messageId, receipt, text, secondsOf(hideMs))
        return popReceipt
      } catch (thrown) {
        if (isLapsed(thrown)) return undefined
        throw thrown
      }
    }, 'whether it was changed is not known.')
  }

  /** All messages, visible or not; about right. */
  count(): Promise<number> {
    return this.#ask(async () => {
      const { approximateMessagesCount = 0 } = await this.#client.getProperties()
      return approximateMessagesCount
    }, 'the depth is not known.')
  }

  #written(letter: Letter): string {
    const text = textOf(fitted(letter, this.maxBytes))
    return this.#encoding === 'utf8' ? text : Buffer.from(text, 'utf8').toString('base64')
  }

  async #ask<Result>(action: () => Promise<Result>, kept: string): Promise<Result> {
    if (this.#underWay >= REQUESTS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#underWay++
    try {
      return await action()
    } catch (thrown) {
      throw fromAzure(thrown, kept)
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }
}

/** Messages of other senders may be written either way. */
function read(text: string): string {
  if (letterOf(text)) return text
  const decoded = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : text
  return decoded.includes('\uFFFD') && !letterOf(decoded) ? text : decoded
}
