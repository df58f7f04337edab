/**
 * A PostgreSQL server for tests: of the machine's own binaries, in a temporary folder, on a private port of 127.0.0.1. It can be
 * killed, stopped and started again, and takes its folder with it when the test is over.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from './free-ports.ts'

const MEMORY = '/dev/shm'

export interface PostgresSettings {
  /** Where the data is; made if it is missing. Default: a temporary folder, removed with the server. */
  readonly folder?: string
  /** Whether that folder is in memory, where there is such a place: for tests that kill, which see no missing sync anyway. */
  readonly inMemory?: boolean
  readonly port?: number
  /** Lines of postgresql.conf, `name=value`. */
  readonly settings?: readonly string[]
}

/** The folder of the newest server's programs; undefined if there is none. */
function programs(): string | undefined {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return undefined
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a))
  return versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')))
}

/** Why there can be no server of our own here; undefined if there can. */
export function whyNoPostgres(): string | undefined {
  return programs() === undefined ? 'PostgreSQL is not installed here (Debian: apt-get install postgresql)' : undefined
}

/** The server of FOREBAY_TEST_POSTGRES_URL, or one of our own with these settings. */
export async function anyPostgres(
  settings: readonly string[] = [],
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.FOREBAY_TEST_POSTGRES_URL
  return url === undefined ? PostgresServer.start({ settings }) : { url, stop: async () => {} }
}

/** Why there is neither; undefined if there is one. */
export function whyNoPostgresAtAll(): string | undefined {
  return process.env.FOREBAY_TEST_POSTGRES_URL === undefined ? whyNoPostgres() : undefined
}

/** The server will not run as root. */
function owner(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (what: string) => Number(spawnSync('id', [what, 'postgres']).stdout.toString())
  return { uid: id('-u'), gid: id('-g') }
}

export class PostgresServer {
  readonly port: number
  readonly folder: string
  readonly #settings: readonly string[]
  readonly #removes: boolean
  #process: ChildProcess | undefined
  #log = ''

  private constructor(port: number, folder: string, settings: readonly string[], removes: boolean) {
    this.port = port
    this.folder = folder
    this.#settings = settings
    this.#removes = removes
  }

  static async start(how: PostgresSettings = {}): Promise<PostgresServer> {
    const { folder, inMemory = false, port, settings = [] } = how
    const base = inMemory && existsSync(MEMORY) ? MEMORY : tmpdir()
    const home = folder ?? mkdtempSync(join(base, 'forebay-postgres-'))
    const user = owner()
    if (user) chownSync(home, user.uid, user.gid)
    const server = new PostgresServer(port ?? (await freePort()), home, settings, folder === undefined)
    server.#makeCluster()
    await server.run()
    return server
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`
  }

  get pid(): number {
    return this.#process?.pid as number
  }

  #makeCluster(): void {
    const data = join(this.folder, 'data')
    if (existsSync(data)) return
    const args = [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]
    const made = spawnSync(join(programs() as string, 'initdb'), args, { ...owner(), cwd: '/' })
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  }

  /** Starts the process, and resolves when it answers. */
  async run(): Promise<void> {
    const settings = [`port=${this.port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', ...this.#settings]
    const args = ['-D', join(this.folder, 'data'), ...settings.flatMap((setting) => ['-c', setting])]
    const child = spawn(join(programs() as string, 'postgres'), args, {
      ...owner(),
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = child
    child.stderr.on('data', (chunk) => {
      this.#log = (this.#log + chunk).slice(-20_000)
    })
    for (let tried = 0; ; tried++) {
      if (child.exitCode !== null) throw new Error(`postgres ended at once: ${this.#log}`)
      if (await this.#answers()) return
      if (tried > 600) throw new Error(`postgres does not answer: ${this.#log}`)
      await wait(50)
    }
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 1_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT 1')
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }

  /** What it wrote last. */
  get log(): string {
    return this.#log
  }

  /** As a power failure would: none of its processes does anything more. */
  async kill(): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const children = this.#children()
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    for (const pid of children) tryKill(pid, 'SIGKILL')
    await gone
    // The shared memory is let go of when the last one has gone, and a new server needs that.
    while (children.some((pid) => existsSync(`/proc/${pid}/stat`) && !isZombie(pid))) await wait(5)
  }

  /** Runs one statement on a connection of its own. */
  async query(text: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }

  /** Ends it, and removes its folder if it made that. */
  async stop(): Promise<void> {
    await this.kill()
    if (this.#removes) rmSync(this.folder, { recursive: true, force: true })
  }

  #children(): number[] {
    const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(this.pid)]).stdout.toString()
    return listed.split('\n').map(Number).filter(Boolean)
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
