/** A Redis server of our own: a private port of this machine, a folder of the caller's, and nothing written to disk unless asked for. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'

const PROGRAM = '/usr/bin/redis-server'

/** Whether there is a server program; where there is none it is installed, if that is allowed, and else `what` is skipped aloud. */
export function haveRedis(what: string): boolean {
  if (!existsSync(PROGRAM)) install()
  if (existsSync(PROGRAM)) return true
  console.error(`SKIPPED: ${what}, because ${PROGRAM} is not there (Debian: apt-get install redis-server)`)
  return false
}

export class RedisServer {
  readonly port: number
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.#args = args
  }

  /** @param settings As on the command line, for example `['--appendonly', 'yes']`. */
  static async start(folder: string, settings: readonly string[] = []): Promise<RedisServer> {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const server = new RedisServer(port, [...args, '--appendonly', 'no', ...settings])
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it again on its port; resolves when it answers. */
  async start(): Promise<void> {
    const server = spawn(PROGRAM, this.#args, { stdio: 'ignore' })
    this.#process = server
    while (!(await answers(this.port))) {
      if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}.`)
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
  console.error('installing redis-server')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  }
}

/** Of this machine. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}

/** Whether it is there and has loaded its data; it may ask for a password. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString()))).once('error', () => end(false))
  })
}
