/** Results that outlive their tasks, each with the time that it is kept for. */

import type { FoundTask, KeptResult } from '../queue-service.ts'
import type { JetStream } from './jetstream.ts'
import type { QueueNames } from './queue-names.ts'
import type { ServerTime } from './server-time.ts'

export class KeptResults {
  readonly #jetstream: JetStream
  readonly #names: QueueNames
  readonly #time: ServerTime

  constructor(jetstream: JetStream, names: QueueNames, time: ServerTime) {
    this.#jetstream = jetstream
    this.#names = names
    this.#time = time
  }

  async keep(id: string, kept: KeptResult): Promise<void> {
    await this.#jetstream.publish(this.#names.result(id), JSON.stringify(kept))
  }

  async find(id: string): Promise<FoundTask | undefined> {
    const message = await this.#jetstream.last(this.#names.marksStream, this.#names.result(id))
    if (!message) return undefined
    const { result, keepMs } = JSON.parse(Buffer.from(message.data).toString()) as KeptResult
    const { now } = await this.#time.now()
    if (message.storedAt + keepMs <= now) return undefined
    return { state: 'completed', id, completedAt: Math.floor(message.storedAt), result }
  }
}
