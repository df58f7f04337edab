/**
 * The gateway: HTTP in, queues, HTTP out at a level rate.
 *
 *     opened -> started -> stopping -> stopped
 *
 * `open` opens the queues and builds the HTTP side; nothing listens and nothing is delivered before `start`. It listens
 * before it delivers, so that a second gateway at the same address fails before it has touched a task.
 */

import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { type Clock, systemClock } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import type { GatewayConfig } from './config-schema.ts'
import type { KedaScaler } from '../scaling/keda/keda-scaler.ts'
import { GatewayQueue } from './gateway-queue.ts'
import { buildHttp } from './http.ts'
import { parseListen } from './listen-address.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { type Resolve, TargetGuard } from './target-guard.ts'
import { TokenGate } from './token-gate.ts'

export interface GatewayOptions {
  /** Default: the system's. */
  readonly clock?: Clock
  readonly random?: RandomSource
  /** What watches the queues. Default: a telemetry of its own, as the configuration has it. */
  readonly telemetry?: Telemetry
  /** How target names become addresses. Default: the system's resolver. */
  readonly resolve?: Resolve
  /** Told what went wrong and concerns no caller: a backend that is away, a bug. Default: nobody. */
  readonly onError?: (error: ForebayError) => void
}

type State = 'opened' | 'started' | 'stopping' | 'stopped'

export class Gateway {
  readonly config: GatewayConfig
  readonly queues: ReadonlyMap<string, GatewayQueue>
  readonly clock: Clock
  readonly random: RandomSource
  readonly telemetry: Telemetry
  /** The HTTP side: for tests without a socket, and for routes beside the gateway's own. */
  readonly app: FastifyInstance
  readonly onError: (error: ForebayError) => void
  readonly tokens: TokenGate
  #state: State = 'opened'
  #keda: KedaScaler | undefined
  #stopping: Promise<void> | undefined

  private constructor(
    config: GatewayConfig,
    queues: ReadonlyMap<string, GatewayQueue>,
    options: Required<Omit<GatewayOptions, 'resolve'>>,
  ) {
    this.config = config
    this.queues = queues
    this.clock = options.clock
    this.random = options.random
    this.telemetry = options.telemetry
    this.onError = options.onError
    this.tokens = new TokenGate(config.tokens)
    this.app = buildHttp(this)
  }

  /**
   * Opens the queues. @throws what the backend says (BACKEND_LOCKED, BACKEND_CORRUPT, INVALID_URL, ...); then nothing is
   * left open.
   */
  static async open(config: GatewayConfig, options: GatewayOptions = {}): Promise<Gateway> {
    const { clock = systemClock, random = systemRandom, onError = () => {} } = options
    const telemetry = options.telemetry ?? createTelemetry({ clock, ...(config.metrics || {}) })
    const resolved = options.resolve && { resolve: options.resolve }
    const guard = new TargetGuard({ allowPrivateTargets: config.allowPrivateTargets, ...resolved })
    const queues = new Map<string, GatewayQueue>()
    try {
      for (const [name, settings] of Object.entries(config.queues)) {
        queues.set(name, await GatewayQueue.open(name, settings, { config, guard, clock, random, telemetry, onError }))
      }
    } catch (thrown) {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()))
      telemetry.close()
      throw thrown
    }
    return new Gateway(config, queues, { clock, random, telemetry, onError })
  }

  /** At which KEDA may ask; undefined where it may not. */
  get kedaPort(): number | undefined {
    return this.#keda?.port
  }

  get state(): State {
    return this.#state
  }

  /**
   * Listens, then delivers.
   * @returns The URL at which it listens.
   * @throws ForebayError ADDRESS_IN_USE, INVALID_OPTION for an address that this machine does not have.
   */
  async start(): Promise<string> {
    if (this.#state !== 'opened')
      throw new ForebayError('QUEUE_CLOSED', `The gateway is ${this.#state} and is not started again.`)
    const { host, port } = parseListen(this.config.listen)
    this.app.server.maxConnections = this.config.limits.connections
    try {
      await this.app.listen({ host, port })
    } catch (thrown) {
      throw listenError(thrown, this.config.listen)
    }
    this.#keda = await this.#openKeda()
    this.#state = 'started'
    await Promise.all([...this.queues.values()].map((queue) => queue.start()))
    const address = this.app.server.address() as AddressInfo
    return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
  }

  /** Loaded here, so that gateways without it need no gRPC. */
  async #openKeda(): Promise<KedaScaler | undefined> {
    const { kedaListen } = this.config
    if (kedaListen === undefined) return undefined
    const { KedaScaler } = await import('../scaling/keda/keda-scaler.ts')
    const signals = [...this.queues].flatMap(([name, { scaling }]) => (scaling ? [[name, scaling] as const] : []))
    return KedaScaler.open({ listen: kedaListen, signals: new Map(signals) })
  }

  /**
   * Takes no more requests, answers those that wait, lets running deliveries end and closes the queues. Works twice, and
   * before `start`.
   * @param graceMs Default: the configuration's.
   */
  stop(graceMs = this.config.graceMs): Promise<void> {
    this.#stopping ??= this.#stop(graceMs)
    return this.#stopping
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping'
    const queues = [...this.queues.values()]
    for (const queue of queues) queue.endWaits()
    this.#keda?.close()
    const cut = this.clock.after(graceMs, () => this.app.server.closeAllConnections())
    // What is still being received is queued for the next start, so the queues stay open until the last caller has left.
    await Promise.all([this.app.close(), ...queues.map((queue) => queue.drain(graceMs))])
    cut()
    await Promise.all(queues.map((queue) => queue.close()))
    this.telemetry.close()
    this.#state = 'stopped'
  }
}

function listenError(thrown: unknown, listen: string): ForebayError {
  const { code } = thrown as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return new ForebayError('ADDRESS_IN_USE', `Something else listens at ${listen} already.`, { cause: thrown })
  const cannot = code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND'
  if (cannot)
    return new ForebayError('INVALID_OPTION', `This machine cannot listen at ${listen} (${code}).`, { path: 'listen' })
  return asForebayError(thrown)
}
