/** The parts of JetStream's protocol that the backend is made of. All may throw ForebayError, JetStreamError, NobodyListens. */

import type { Msg } from '@nats-io/transport-node'
import { isNotThere, JetStreamError } from './nats-errors.ts'
import type { Headers, Listener, RequestDesk } from './request-desk.ts'

/** A message as it is stored. */
export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  /** When it was stored, epoch ms by the server's clock, with fractions. */
  readonly storedAt: number
  readonly data: Uint8Array
}

export interface Expectation {
  /** Nothing newer than this sequence is on the subject; 0: nothing at all. */
  readonly lastSequence?: number
  readonly stream?: string
}

/** Since this version a deletion is written down like a message; before, only one that overwrites the message is. */
const DELETIONS_ARE_WRITTEN = [2, 10] as const

const API = '$JS.API'
const NS_PER_MS = 1e6

/** A consumer redelivers at the latest after this, so the longest delay of one redelivery. */
const LONGEST_DELAY_MS = 24 * 3_600_000

export class JetStream {
  readonly #desk: RequestDesk
  /** Of several replicas one that lags behind may answer a direct question: then the leader is asked. */
  #asksLeader = false

  constructor(desk: RequestDesk) {
    this.#desk = desk
  }

  /** Names the run of the server: after a restart it is another one. */
  get run(): string {
    return this.#desk.serverId
  }

  askLeader(): void {
    this.#asksLeader = true
  }

  /** An API call, such as `STREAM.INFO.name`. */
  async api<Answer>(endpoint: string, body: object = {}): Promise<Answer> {
    const message = await this.#desk.ask(`${API}.${endpoint}`, JSON.stringify(body))
    return resultOf<Answer>(message)
  }

  /** Stores a message; answers its sequence. The expectation is checked in the same step (`isOutrun`). */
  async publish(subject: string, data: Uint8Array | string, expected: Expectation = {}): Promise<number> {
    const headers: Record<string, string> = {}
    if (expected.lastSequence !== undefined) {
      headers['Nats-Expected-Last-Subject-Sequence'] = String(expected.lastSequence)
    }
    if (expected.stream !== undefined) headers['Nats-Expected-Stream'] = expected.stream
    const message = await this.#desk.ask(subject, data, headers satisfies Headers)
    return resultOf<{ readonly seq: number }>(message).seq
  }

  /** Whether it was there. It does not come back after a crash of the server. */
  async remove(stream: string, sequence: number): Promise<boolean> {
    return this.#remove(stream, { seq: sequence, no_erase: this.#deletionsAreWritten })
  }

  /** The same, but after a crash of the server it may be there again. */
  async forget(stream: string, sequence: number): Promise<boolean> {
    return this.#remove(stream, { seq: sequence, no_erase: true })
  }

  last(stream: string, subject: string): Promise<StoredMessage | undefined> {
    return this.#get(stream, { last_by_subj: subject })
  }

  at(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.#get(stream, { seq: sequence })
  }

  /** The first one at or after a sequence whose subject matches. */
  next(stream: string, subject: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.#get(stream, { seq: sequence, next_by_subj: subject })
  }

  /** Asks for up to `batch` messages: waits for the first, takes what there is, and ends. */
  pull(stream: string, consumer: string, batch: number, waitMs: number, listener: Listener): { end(): void } {
    const body = { batch, expires: Math.max(1, Math.ceil(waitMs)) * NS_PER_MS, no_wait: true }
    return this.#desk.call(`${API}.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(body), listener)
  }

  /** The message is done with, for its consumer; resolves when the consumer knows. */
  async done(ackSubject: string): Promise<void> {
    await this.#desk.ask(ackSubject, '+ACK')
  }

  /** Takes a message that is gone from those that the consumer waits for to be done with. */
  doneWithGone(stream: string, consumer: string, sequence: number): void {
    // As a delivery's subject, with a consumer's sequence that none has.
    this.#desk.tell(`$JS.ACK.${stream}.${consumer}.1.${sequence}.0.0.0`, '+ACK')
  }

  /** The consumer delivers the message again after `delayMs`, if not told otherwise by then. */
  deliverAgain(ackSubject: string, delayMs: number): void {
    this.#desk.tell(ackSubject, again(delayMs))
  }

  /** Resolves when the message is the consumer's to deliver again. */
  async giveBack(ackSubject: string): Promise<void> {
    await this.#desk.ask(ackSubject, again(0))
  }

  get #deletionsAreWritten(): boolean {
    const [major = 0, minor = 0] = this.#desk.serverVersion.split('.').map(Number)
    const [leastMajor, leastMinor] = DELETIONS_ARE_WRITTEN
    return major > leastMajor || (major === leastMajor && minor >= leastMinor)
  }

  async #remove(stream: string, body: { readonly seq: number; readonly no_erase: boolean }): Promise<boolean> {
    try {
      await this.api(`STREAM.MSG.DELETE.${stream}`, body)
      return true
    } catch (thrown) {
      if (isNotThere(thrown)) return false
      throw thrown
    }
  }

  async #get(stream: string, query: object): Promise<StoredMessage | undefined> {
    if (this.#asksLeader) return this.#getOfLeader(stream, query)
    const message = await this.#desk.ask(`${API}.DIRECT.GET.${stream}`, JSON.stringify(query))
    const { headers } = message
    if (headers?.code === 404) return undefined
    if (!headers || headers.code >= 400)
      throw new JetStreamError(headers?.code ?? 0, headers?.description ?? 'no answer')
    return {
      subject: headers.get('Nats-Subject'),
      sequence: Number(headers.get('Nats-Sequence')),
      storedAt: millisecondsOf(headers.get('Nats-Time-Stamp')),
      data: message.data,
    }
  }

  async #getOfLeader(stream: string, query: object): Promise<StoredMessage | undefined> {
    try {
      const { message } = await this.api<{ readonly message: LeadersMessage }>(`STREAM.MSG.GET.${stream}`, query)
      const { subject, seq, time, data = '' } = message
      return { subject, sequence: seq, storedAt: millisecondsOf(time), data: Buffer.from(data, 'base64') }
    } catch (thrown) {
      if (isNotThere(thrown)) return undefined
      throw thrown
    }
  }
}

interface LeadersMessage {
  readonly subject: string
  readonly seq: number
  readonly time: string
  readonly data?: string
}

/** A message that a consumer delivered. */
export interface Delivery {
  readonly sequence: number
  readonly storedAt: number
  readonly data: Uint8Array
  /** Where the consumer is told what became of it. */
  readonly ackSubject: string
  /** How many the consumer has after it that nobody was handed. */
  readonly left: number
}

/** Undefined if it is a word of the consumer about the call itself. */
export function deliveryOf({ reply, data }: Msg): Delivery | undefined {
  // $JS.ACK.stream.consumer.deliveries.sequence.consumerSequence.time.pending, or the same after a domain and an account.
  const tokens = reply?.split('.') ?? []
  if (reply === undefined || tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  const first = tokens.length > 9 ? 4 : 2
  return {
    sequence: Number(tokens[first + 3]),
    storedAt: Number(tokens[first + 5]) / NS_PER_MS,
    data,
    ackSubject: reply,
    left: Number(tokens[first + 6]),
  }
}

function again(delayMs: number): string {
  const delay = Math.ceil(Math.min(Math.max(0, delayMs), LONGEST_DELAY_MS) * NS_PER_MS)
  return delay === 0 ? '-NAK' : `-NAK ${JSON.stringify({ delay })}`
}

function resultOf<Answer>(message: Msg): Answer {
  const answer = message.json<Answer & { readonly error?: ApiFault }>()
  if (answer.error) throw new JetStreamError(answer.error.err_code ?? answer.error.code, answer.error.description)
  return answer
}

interface ApiFault {
  readonly code: number
  readonly err_code?: number
  readonly description: string
}

/** `2026-11-25T16:08:03.186464123Z`, with fractions of a millisecond. */
function millisecondsOf(stamp: string): number {
  const [, seconds = '', fraction = '0'] = /^(.*?)(?:\.(\d+))?Z$/.exec(stamp) ?? []
  return Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1_000
}
