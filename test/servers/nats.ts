/** A NATS server of our own with JetStream: a private port of this machine, and a folder of the caller's. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = '/usr/sbin/nats-server'

/** Whether there is a server program; where there is none it is installed, if that is allowed, and else `what` is skipped aloud. */
export function haveNats(what: string): boolean {
  if (!existsSync(PROGRAM)) install()
  if (existsSync(PROGRAM)) return true
  console.error(`SKIPPED: ${what}, because ${PROGRAM} is not there (Debian: apt-get install nats-server)`)
  return false
}

/** Where its store is best: in memory, since servers of old sync each deletion, and no test pulls the plug. */
export const FAST_FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export class NatsServer {
  readonly port: number
  readonly #folder: string
  #process: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  /** @param jetstream Settings of JetStream, for example `max_file_store: 10MB`. */
  static async start(folder: string, jetstream = ''): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), folder)
    await server.start(jetstream)
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** Starts it again on its port; resolves when it answers. */
  async start(jetstream = ''): Promise<void> {
    const file = join(this.#folder, 'nats.conf')
    const store = JSON.stringify(join(this.#folder, 'store'))
    writeFileSync(file, `host: 127.0.0.1\nport: ${this.port}\njetstream {\n store_dir: ${store}\n ${jetstream}\n}\n`)
    const server = spawn(PROGRAM, ['-c', file, '-l', join(this.#folder, 'nats.log')], { stdio: 'ignore' })
    this.#process = server
    while (!(await answers(this.port))) {
      if (server.exitCode !== null) throw new Error(`nats-server ended with code ${server.exitCode}.`)
      await new Promise((resolve) => setTimeout(resolve, 20))
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

function install(): void {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return
  console.error('installing nats-server')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'nats-server']]) {
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
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
