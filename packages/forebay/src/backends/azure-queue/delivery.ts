/** A message that was received and granted: which task it holds, and the receipt that it has now. */

import { OneAtATime } from '../one-at-a-time.ts'
import type { Letter } from '../task-letter.ts'
import type { AzureMessage, AzureStorageQueue, Receipt } from './azure-storage-queue.ts'

export class Delivery {
  readonly message: AzureMessage
  readonly letter: Letter
  /** This grant included. */
  readonly attempts: number
  /** Whether its copy is stored already, though the message could not be deleted. */
  copied = false
  #receipt: string
  readonly #turns = new OneAtATime()

  constructor(message: AzureMessage, letter: Letter, attempts: number) {
    this.message = message
    this.letter = letter
    this.attempts = attempts
    this.#receipt = message.receipt
  }

  get token(): string {
    return `${this.message.messageId} ${this.#receipt}`
  }

  /** Each change gives a new receipt, so one waits for the other. Answers whether the message was still ours. */
  async update(queue: AzureStorageQueue, hideMs: number, letter?: Letter): Promise<boolean> {
    return this.#turns.run(async () => {
      const receipt: Receipt = await queue.update(this.message.messageId, this.#receipt, hideMs, letter)
      if (receipt !== undefined) this.#receipt = receipt
      return receipt !== undefined
    })
  }

  /** Answers whether the message was still ours. */
  delete(queue: AzureStorageQueue): Promise<boolean> {
    return this.#turns.run(() => queue.delete(this.message.messageId, this.#receipt))
  }
}
