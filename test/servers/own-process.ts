/** A server's process of our own: started until it answers, signalled, and ended as a crash would end it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'

export class OwnProcess {
  readonly port: number
  readonly #program: string
  readonly #args: readonly string[]
  readonly #answers: (port: number) => Promise<boolean>
  #process: ChildProcess | undefined

  /** @param answers Whether it is there and has loaded its data. */
  constructor(port: number, program: string, args: readonly string[], answers: (port: number) => Promise<boolean>) {
    this.port = port
    this.#program = program
    this.#args = args
    this.#answers = answers
  }

  /** Starts it, again on its port; resolves when it answers. */
  async start(): Promise<void> {
    const server = spawn(this.#program, this.#args, { stdio: 'ignore' })
    this.#process = server
    while (!(await this.#answers(this.port))) {
      if (server.exitCode !== null) throw new Error(`${this.#program} ended with code ${server.exitCode}.`)
      await sleep(systemClock, 20)
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name)
  }

  /** Ends it, by default as a crash would. */
  async stop(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    server.kill(name)
    // One that is stopped ends all the same.
    server.kill('SIGCONT')
    await once(server, 'exit')
  }
}
