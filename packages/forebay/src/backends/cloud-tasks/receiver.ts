/**
 * Where Cloud Tasks delivers: an HTTP handler, with a listener of its own or mounted in a server of the user's. Each request
 * is checked, read and handed to the inbox of the queue that its path ends with; it stays open until its task is settled.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError, messageOf } from '../../errors.ts'
import { DEADLINE_HEADER } from './cloud-queue.ts'
import type { OpenRequest } from './delivery.ts'
import { Inbox } from './inbox.ts'
import { type FetchKeys, type OidcRules, OidcVerifier } from './oidc.ts'

export interface ReceiverOptions {
  /** Where it listens. Default: nowhere, its `handle` is mounted in a server of yours. */
  readonly listen?: { readonly host?: string; readonly port: number }
  /** Where the keys come from that tokens are signed with. Default: Google's. */
  readonly keys?: FetchKeys
  /** Default: the system's. */
  readonly clock?: Clock
}

/** Cloud Tasks sends no more: a task has a megabyte at most. */
const MAX_BODY_BYTES = 2 * 1024 * 1024
/** What Cloud Tasks gives a task that says nothing. */
const USUAL_DEADLINE_MS = 600_000
const LONGEST_DEADLINE_MS = 1_800_000

interface Place {
  readonly inbox: Inbox
  /** Undefined: whoever reaches the receiver is trusted. */
  rules: OidcRules | undefined
  users: number
}

/** Made by `openReceiver`. */
export class Receiver {
  readonly #clock: Clock
  readonly #verifier: OidcVerifier
  readonly #places = new Map<string, Place>()
  #server: Server | undefined
  #closing: Promise<void> | undefined

  constructor({ keys, clock = systemClock }: ReceiverOptions) {
    this.#clock = clock
    this.#verifier = new OidcVerifier(clock, keys)
  }

  /** The port that it listens on; undefined if it has no listener. */
  get port(): number | undefined {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port
  }

  /** @throws ForebayError `ADDRESS_IN_USE` */
  async listen({ host = '0.0.0.0', port }: { readonly host?: string; readonly port: number }): Promise<void> {
    const server = createServer(this.handle)
    // A delivery is held for as long as its deadline allows.
    server.requestTimeout = 0
    server.timeout = 0
    server.listen(port, host)
    try {
      await once(server, 'listening')
    } catch (cause) {
      const message = `The receiver of Cloud Tasks can't listen on ${host}:${port}: ${messageOf(cause)}.`
      throw new ForebayError('ADDRESS_IN_USE', message, { cause })
    }
    this.#server = server
  }

  /** The inbox of a queue, for one who lets go of it again. All who use it must agree on who may deliver. */
  use(queue: string, rules: OidcRules | undefined): Inbox {
    const place = this.#places.get(queue) ?? { inbox: new Inbox(this.#clock), rules, users: 0 }
    if (place.users === 0) place.rules = rules
    if (JSON.stringify(place.rules) !== JSON.stringify(rules)) {
      const message = `The queue "${queue}" is open in this process with another serviceAccount or audience.`
      throw new ForebayError('INVALID_OPTION', message, { path: 'serviceAccount' })
    }
    place.users++
    this.#places.set(queue, place)
    return place.inbox
  }

  letGo(queue: string): void {
    const place = this.#places.get(queue)
    // It stays: what is on its way to it waits a moment for somebody to open it again.
    if (place) place.users--
  }

  /** Handles a request of Node's HTTP server: `createServer(receiver.handle)`. Its body must not have been read. */
  readonly handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    this.#receive(incoming, outgoing).catch((thrown: unknown) => {
      // Nothing was settled: it will be delivered again.
      refuse(outgoing, 500, messageOf(thrown))
    })
  }

  /** Ends its listener. Deliveries that nobody has let go of are cut, and come again. Works twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (!this.#server) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #receive(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const arrivedAt = this.#clock.monotonic()
    if (incoming.method !== 'POST') return refuse(outgoing, 405, 'Deliveries are POSTs.')
    const queue = /\/([^/?]+)\/?(?:\?.*)?$/.exec(incoming.url ?? '')?.[1] ?? ''
    const place = this.#places.get(queue)
    // It may be open again in a moment.
    if (!place) return refuse(outgoing, 503, 'No such queue is open here.')
    const wrong = place.rules && (await this.#verifier.refusal(incoming.headers.authorization, place.rules))
    if (wrong !== undefined) return refuse(outgoing, 401, `The OIDC token is refused: ${wrong}.`)
    const name = headerOf(incoming, 'x-cloudtasks-taskname')
    if (name === '') return refuse(outgoing, 400, 'Deliveries have the header X-CloudTasks-TaskName.')
    const body = await bodyOf(incoming)
    if (body === undefined) return refuse(outgoing, 413, 'The body is too large for a task.')
    const arrival = {
      name,
      unanswered: countOf(headerOf(incoming, 'x-cloudtasks-taskretrycount')),
      body,
      arrivedAt,
      deadlineMs: Math.min(LONGEST_DEADLINE_MS, countOf(headerOf(incoming, DEADLINE_HEADER)) || USUAL_DEADLINE_MS),
    }
    const request = openRequest(outgoing)
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) void place.inbox.cut(name, request)
    })
    await place.inbox.arrive(arrival, request)
  }
}

/** Opens a receiver, by default without a listener. @throws ForebayError `ADDRESS_IN_USE` */
export async function openReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const receiver = new Receiver(options)
  if (options.listen) await receiver.listen(options.listen)
  return receiver
}

function openRequest(outgoing: ServerResponse): OpenRequest {
  const isOpen = () => !outgoing.destroyed && !outgoing.writableEnded
  return {
    get isOpen() {
      return isOpen()
    },
    answer: async (status, retryAfterS) => {
      if (!isOpen()) return false
      outgoing.writeHead(status, retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) })
      return new Promise((resolve) => {
        outgoing.once('close', () => resolve(outgoing.writableFinished))
        outgoing.end(() => resolve(true))
      })
    },
  }
}

function refuse(outgoing: ServerResponse, status: number, why: string): void {
  if (outgoing.headersSent) return
  outgoing.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...(status === 503 && { 'retry-after': '1' }),
  })
  outgoing.end(why)
}

function headerOf(incoming: IncomingMessage, name: string): string {
  return String(incoming.headers[name] ?? '')
}

function countOf(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}

/** Undefined if it is too large. */
async function bodyOf(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
