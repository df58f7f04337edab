/** A TCP proxy that can cut, silence and refuse connections, for any client and server. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>()
  #silent = false
  #refuses = false
  /** How many connections it has let through. */
  connections = 0

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, targetPort))
  }

  /** Listens on a free port of this machine, and leads to another one. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends all connections, by a reset. New ones are let through. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
    this.#pairs.clear()
  }

  /** Nothing passes any more, in either direction, and no connection ends: as when a cable is pulled. New ones are accepted, and silent. */
  silence(): void {
    this.#silent = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** New connections are reset, and those that are there. */
  refuse(): void {
    this.#refuses = true
    this.cut()
  }

  /** All is well again; those that were silent stay so for ever. */
  heal(): void {
    this.#silent = false
    this.#refuses = false
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, targetPort: number): void {
    if (this.#refuses) {
      client.resetAndDestroy()
      return
    }
    this.connections++
    const server = connect(targetPort, '127.0.0.1')
    const pair = [client, server] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, [server, client]] as const) {
      // What follows a fault of one side is told by the end of both.
      from.on('error', () => {})
      from.on('close', () => {
        to.destroy()
        this.#pairs.delete(pair)
      })
      if (this.#silent) from.pause()
      else from.pipe(to)
    }
  }
}
