/** A gateway and a target on loopback, for tests; both end with the test. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../packages/forebay/src/clock.ts'
import type { ForebayError } from '../../packages/forebay/src/errors.ts'
import { loadConfig } from '../../packages/forebay/src/gateway/config.ts'
import { Gateway, type GatewayOptions } from '../../packages/forebay/src/gateway/gateway.ts'

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface Target {
  readonly url: string
  readonly received: Received[]
  /** Resolves when `count` requests have come in all. */
  has(count: number): Promise<void>
}

export type Respond = (request: Received, response: ServerResponse, nth: number) => void

/** A target that answers as `respond` says: by default 200 with `{"ok":true}`. */
export async function startTarget(
  respond: Respond = (_request, response) => response.end('{"ok":true}'),
): Promise<Target> {
  const received: Received[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers, rawHeaders } = request
    const one = { method, url, headers, rawHeaders, body: Buffer.concat(chunks) }
    received.push(one)
    for (const { count, resolve } of waiting) if (received.length >= count) resolve()
    respond(one, response, received.length)
  })
  const url = await listening(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const has = (count: number) =>
    new Promise<void>((resolve) => (received.length >= count ? resolve() : waiting.push({ count, resolve })))
  return { url, received, has }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Running {
  readonly gateway: Gateway
  readonly url: string
  readonly port: number
  readonly errors: ForebayError[]
}

export type QueueConfig = Readonly<Record<string, unknown>>

/** Fast and without a ramp, unless the queue says otherwise. */
const QUICK = { rate: { perSecond: 10_000, rampMs: 0 }, retry: { maxAttempts: 3, baseMs: 1, capMs: 2 } }

/** A gateway's own configuration file as an object; loopback targets are allowed unless it says otherwise. */
export async function openGateway(
  queues: Readonly<Record<string, QueueConfig>>,
  rest: Readonly<Record<string, unknown>> = {},
  options: GatewayOptions & { readonly clock?: Clock } = {},
): Promise<Gateway> {
  const quick = Object.fromEntries(Object.entries(queues).map(([name, queue]) => [name, { ...QUICK, ...queue }]))
  const file = {
    listen: '127.0.0.1:0',
    storage: 'memory:',
    allowPrivateTargets: ['127.0.0.0/8'],
    ...rest,
    queues: quick,
  }
  const config = await loadConfig({ path: 'test.yaml', text: JSON.stringify(file) })
  const gateway = await Gateway.open(config, options)
  onTestFinished(() => gateway.stop(100))
  return gateway
}

export async function startGateway(
  queues: Readonly<Record<string, QueueConfig>>,
  rest: Readonly<Record<string, unknown>> = {},
): Promise<Running> {
  const errors: ForebayError[] = []
  const gateway = await openGateway(queues, rest, { onError: (error) => errors.push(error) })
  const url = await gateway.start()
  return { gateway, url, port: Number(new URL(url).port), errors }
}

export function postJson(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** The JSON of an answer, taken for what the test expects it to be. */
export async function jsonOf<Body>(response: Response | Promise<Response>): Promise<Body> {
  return (await (await response).json()) as Body
}

/** Writes bytes to a port as they are; resolves with all that came back once the connection is closed. */
export function rawExchange(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => chunks.push(chunk))
    // A reset after the answer is how a server refuses the rest.
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}
