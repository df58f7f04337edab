/**
 * A RabbitMQ server for tests: Debian's, in a folder and on ports of its own, started once for a test file because that
 * takes ten seconds. `FOREBAY_TEST_AMQP_URL` names a given server instead; it can be neither killed nor starved.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { freePorts } from './free-ports.ts'

const PROGRAMS = '/usr/lib/rabbitmq/bin'
const START_MS = 60_000

/**
 * Why `what` can't be tested here, said aloud; undefined if it can.
 * @param needsOwn Whether a given server would not do.
 */
export function noRabbitmq(what: string, needsOwn = false): string | undefined {
  if (existsSync(`${PROGRAMS}/rabbitmq-server`)) return undefined
  if (process.env.FOREBAY_TEST_AMQP_URL && !needsOwn) return undefined
  const reason = `SKIPPED: ${what}, because ${PROGRAMS}/rabbitmq-server is not there (Debian: apt-get install rabbitmq-server)`
  console.error(reason)
  return reason
}

export interface RabbitmqServer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

/** A given server, or one of our own. */
export async function startRabbitmq(): Promise<RabbitmqServer> {
  const url = process.env.FOREBAY_TEST_AMQP_URL
  return url ? { url, port: Number(new URL(url).port || 5672), stop: async () => {} } : OwnRabbitmq.start()
}

export class OwnRabbitmq implements RabbitmqServer {
  readonly port: number
  readonly url: string
  readonly #folder: string
  readonly #env: NodeJS.ProcessEnv
  /** Erlang's name server, which would outlive the server that starts it. */
  readonly #names: ChildProcess
  #process: ChildProcess | undefined

  private constructor(folder: string, [port = 0, epmdPort = 0, distPort = 0]: readonly number[]) {
    this.#folder = folder
    this.port = port
    this.url = `amqp://guest:guest@127.0.0.1:${port}`
    this.#env = {
      PATH: process.env.PATH,
      HOME: folder,
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `forebay${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
      RABBITMQ_CONF_ENV_FILE: join(folder, 'env.conf'),
    }
    this.#names = spawn('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1'], { stdio: 'ignore' })
  }

  /** @param config Lines of rabbitmq.conf. */
  static async start(config: readonly string[] = []): Promise<OwnRabbitmq> {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-rabbitmq-'))
    const server = new OwnRabbitmq(folder, await freePorts(3))
    await writeFile(join(folder, 'rabbitmq.conf'), config.map((line) => `${line}\n`).join(''))
    await writeFile(join(folder, 'env.conf'), '')
    await mkdir(join(folder, 'log'))
    await server.restart()
    return server
  }

  /** Starts it on what it stored. */
  async restart(): Promise<void> {
    const started = spawn(`${PROGRAMS}/rabbitmq-server`, { env: this.#env, stdio: 'ignore', detached: true })
    this.#process = started
    const until = systemClock.monotonic() + START_MS
    while (!(await answers(this.port))) {
      if (started.exitCode !== null)
        throw new Error(`rabbitmq-server ended with ${started.exitCode}: see ${this.#folder}/log`)
      if (systemClock.monotonic() > until) throw new Error(`rabbitmq-server did not start: see ${this.#folder}/log`)
      await sleep(systemClock, 100)
    }
  }

  /** kill -9 of the server and what belongs to it. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child?.pid === undefined || child.exitCode !== null) return
    const gone = once(child, 'exit')
    process.kill(-child.pid, 'SIGKILL')
    await gone
  }

  /** Runs rabbitmqctl, which takes some seconds. */
  ctl(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(`${PROGRAMS}/rabbitmqctl`, args, { env: this.#env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`rabbitmqctl ${args.join(' ')} failed: ${stdout}${stderr}`)
    return stdout
  }

  async stop(): Promise<void> {
    await this.kill()
    this.#names.kill()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Whether a server speaks AMQP there: the port is open a little before it does. */
async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    socket.write('AMQP\x00\x00\x09\x01')
    await once(socket, 'data')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
