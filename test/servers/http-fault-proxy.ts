/** An HTTP proxy that stands before a service and answers in its place, changes its answers, or cuts the line, as a test says. */

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Asks the service itself; by default what was asked. */
export type Forward = (body?: string) => Promise<Answer>

/** What becomes of a request: an answer, or `reset`: the connection is cut without one. */
export type Fault = (asked: Asked, forward: Forward) => Promise<Answer | 'reset'>

const HONEST: Fault = (_, forward) => forward()

export class HttpFaultProxy {
  readonly #server: Server
  /** What happens to each request. */
  fault: Fault = HONEST
  /** All that was asked, in the order of its coming. */
  readonly asked: Asked[] = []

  private constructor(targetPort: number) {
    this.#server = createServer(async (incoming, outgoing) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const { method = '', url: path = '', headers } = incoming
      const asked: Asked = { method, path, headers, body: Buffer.concat(chunks).toString('utf8') }
      this.asked.push(asked)
      const forward: Forward = (body = asked.body) => askAt(targetPort, { ...asked, body })
      const answer = await this.fault(asked, forward).catch(() => 'reset' as const)
      if (answer === 'reset') {
        incoming.socket.resetAndDestroy()
        return
      }
      outgoing.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '')
    })
  }

  static async start(targetPort: number): Promise<HttpFaultProxy> {
    const proxy = new HttpFaultProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** All is well again. */
  heal(): void {
    this.fault = HONEST
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Asks the service at a port of this machine. */
export async function askAt(port: number, { method, path, headers, body }: Asked): Promise<Answer> {
  const bytes = Buffer.from(body, 'utf8')
  const { 'transfer-encoding': _, ...rest } = headers
  const sent = { ...rest, 'content-length': String(bytes.length) }
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers: sent })
  outgoing.end(bytes)
  const [incoming] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const told: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    // The length and the coding are made anew.
    if (!/^(content-length|transfer-encoding|connection|keep-alive)$/.test(name)) told[name] = String(value)
  }
  return { status: incoming.statusCode ?? 500, headers: told, body: Buffer.concat(chunks).toString('utf8') }
}
