/** The demo's other processes: started, asked, killed, and never left behind. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { systemClock, sleep } from '../packages/forebay/src/clock.ts'

/** A process that does not end when it is asked to is killed after this time. */
const GRACE_MS = 5_000
const START_MS = 20_000

export class DemoProcess {
  readonly #child: ChildProcess
  /** The last of what it said on stderr, for when it ends by itself. */
  #said = ''

  /** @param args What Node runs. */
  constructor(args: readonly string[], cwd: string) {
    // Its stdin is a pipe that ends when this process does.
    this.#child = spawn(process.execPath, [...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2_000)
    })
    this.#child.stdin?.on('error', () => undefined)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The first line that it prints. */
  async firstLine(): Promise<string> {
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => String(text)),
      once(this.#child, 'exit').then(() => undefined),
    ])
    if (line === undefined) throw this.#endedEarly()
    return line
  }

  /** Resolves when `ready` says so. */
  async until(ready: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    this.#child.stdout?.resume()
    const deadline = systemClock.monotonic() + START_MS
    while (!(await ready())) {
      if (this.ended) throw this.#endedEarly()
      if (systemClock.monotonic() > deadline) throw new Error(`process ${this.pid} is not ready after ${START_MS} ms`)
      await sleep(systemClock, 50, signal)
    }
  }

  /** As a power cut would: it has no chance to tidy up. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to end, and kills it if it does not. Works twice. */
  async stop(): Promise<void> {
    const cancel = systemClock.after(GRACE_MS, () => this.#child.kill('SIGKILL'))
    await this.#end('SIGTERM')
    cancel()
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.ended) return
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exit
  }

  #endedEarly(): Error {
    return new Error(`a process of the demo ended by itself: ${this.#said.trim() || 'it said nothing'}`)
  }
}

/** A port on loopback that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
