/** A NATS server of our own with JetStream: a private port of this machine, and a folder of the caller's. */

import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-ports.ts'
import { OwnProcess } from './own-process.ts'

const PROGRAM = '/usr/sbin/nats-server'

/** Whether there is a server program (scripts/setup.ts installs it where it may); where there is none `what` is skipped, aloud. */
export function haveNats(what: string): boolean {
  if (existsSync(PROGRAM)) return true
  console.error(`SKIPPED: ${what}, because ${PROGRAM} is not there (Debian: apt-get install nats-server)`)
  return false
}

/** Where its store is best: in memory, since servers of old sync each deletion, and no test pulls the plug. */
export const FAST_FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export class NatsServer extends OwnProcess {
  readonly #folder: string

  private constructor(port: number, folder: string) {
    super(port, PROGRAM, ['-c', join(folder, 'nats.conf'), '-l', join(folder, 'nats.log')], answers)
    this.#folder = folder
  }

  /** @param jetstream Settings of JetStream, for example `max_file_store: 10MB`. */
  static async start(folder: string, jetstream = ''): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), folder)
    server.configure(jetstream)
    await server.start()
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** In force from its next start on. */
  configure(jetstream: string): void {
    const store = JSON.stringify(join(this.#folder, 'store'))
    const text = `host: 127.0.0.1\nport: ${this.port}\njetstream {\n store_dir: ${store}\n ${jetstream}\n}\n`
    writeFileSync(join(this.#folder, 'nats.conf'), text)
  }
}

/** Whether it is there: a NATS server speaks first, and only when its streams are loaded. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', (data) => end(data.toString().startsWith('INFO'))).once('error', () => end(false))
  })
}
