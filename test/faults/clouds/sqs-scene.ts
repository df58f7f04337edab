/** A queue on the stand-in of SQS, behind a proxy that makes faults. */

import { randomUUID } from 'node:crypto'
import { openSqs, type SqsOptions } from '../../../packages/forebay/src/backends/sqs/open-sqs.ts'
import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { type Answer, type Asked, type Fault, HttpFaultProxy } from '../../servers/http-fault-proxy.ts'
import { clientOf, type SqsServer, startSqs } from '../../servers/sqs.ts'

export class SqsScene {
  readonly server: SqsServer
  readonly proxy: HttpFaultProxy
  readonly name = `q-${randomUUID()}`
  readonly #opened: QueueService[] = []

  private constructor(server: SqsServer, proxy: HttpFaultProxy) {
    this.server = server
    this.proxy = proxy
  }

  static async set(): Promise<SqsScene> {
    const server = await startSqs()
    return new SqsScene(server, await HttpFaultProxy.start(server.port))
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.proxy.port}`
  }

  get url(): string {
    return `sqs://eu-central-1?endpoint=${this.endpoint}`
  }

  /** By default with a client that tries nothing twice: what is tried again is tried by ourselves. */
  async open(options: SqsOptions = {}, maxAttempts = 1) {
    const client = clientOf(this.endpoint, maxAttempts)
    const queue = await openSqs({ client, queue: this.name, lingerMs: 0, ...options })
    this.#opened.push(queue)
    return queue
  }

  /** How often an action was asked for. */
  count(action: string): number {
    return this.proxy.asked.filter((asked) => actionOf(asked) === action).length
  }

  /** Makes all that is delayed or hidden due now. */
  makeDue(queueName = this.name): void {
    this.server.makeDue(queueName)
  }

  async end(): Promise<void> {
    this.proxy.heal()
    for (const queue of this.#opened) await queue.close()
    await this.proxy.stop()
    await this.server.stop()
  }
}

export function actionOf({ headers }: Asked): string {
  return String(headers['x-amz-target'] ?? '').replace('AmazonSQS.', '')
}

/** As SQS refuses a request. */
export function refused(code: string, status = 400): Answer {
  const body = JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: `the test says ${code}` })
  return { status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body }
}

export function answered(value: unknown): Answer {
  return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify(value) }
}

interface Batch {
  readonly Entries: { readonly Id: string }[]
}

/** Of each batch of an action some entries fail, and do not reach SQS. */
export function failingEntries(action: string, fails: (index: number) => boolean, failure: object): Fault {
  let seen = 0
  return async (asked, forward) => {
    if (actionOf(asked) !== action) return forward()
    const batch = JSON.parse(asked.body) as Batch
    const failed = batch.Entries.filter(() => fails(seen++))
    const rest = batch.Entries.filter((entry) => !failed.includes(entry))
    const answer = rest.length > 0 ? await forward(JSON.stringify({ ...batch, Entries: rest })) : answered({})
    const { Successful = [], Failed = [] } = JSON.parse(answer.body ?? '{}')
    return answered({ Successful, Failed: [...Failed, ...failed.map(({ Id }) => ({ Id, ...failure }))] })
  }
}
