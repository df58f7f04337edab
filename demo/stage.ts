/** What stands on the stage: the fragile service, the gateway, and a temporary folder. All of it is gone afterwards. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { textAt } from '../packages/forebay/src/replay/downstream.ts'
import { DemoProcess, freePort } from './processes.ts'

const ROOT = join(import.meta.dirname, '..')
const FRAGILE = join(import.meta.dirname, 'fragile-service.ts')
const COMMAND = join(ROOT, 'packages/forebay/bin/forebay.js')
const QUEUE = 'demo'

export interface FragileService {
  readonly url: URL
  /** Where it tells what reached it. */
  readonly arrivals: URL
  stop(): Promise<void>
}

export interface GatewaySettings {
  readonly target: URL
  readonly rate: number
  readonly maxDepth?: number
  /** A bound on its heap, so that garbage is collected early and what grows shows. Default: V8's own. */
  readonly heapMiB?: number
}

export class Stage {
  readonly folder: string
  readonly #processes: DemoProcess[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'forebay-demo-')))
  }

  async startFragileService(): Promise<FragileService> {
    const started = this.#start([FRAGILE])
    const { port, judgePort } = JSON.parse(await started.firstLine()) as { port: number; judgePort: number }
    return {
      url: new URL(`http://127.0.0.1:${port}/`),
      arrivals: new URL(`http://127.0.0.1:${judgePort}/arrivals`),
      stop: () => started.stop(),
    }
  }

  /** `forebay serve` as a process of its own, on SQLite, at a free port. */
  async startGateway(settings: GatewaySettings, signal?: AbortSignal): Promise<Gateway> {
    const port = await freePort()
    const config = join(this.folder, 'forebay.yaml')
    await writeFile(config, configOf(port, join(this.folder, 'demo.db'), settings))
    const heap =
      settings.heapMiB === undefined ? [] : [`--max-old-space-size=${settings.heapMiB}`, '--max-semi-space-size=2']
    const gateway = new Gateway(new URL(`http://127.0.0.1:${port}`), () =>
      this.#start([...heap, COMMAND, 'serve', '--config', config]),
    )
    await gateway.start(signal)
    return gateway
  }

  #start(args: readonly string[]): DemoProcess {
    const started = new DemoProcess(args, this.folder)
    this.#processes.push(started)
    return started
  }

  /** Ends every process and removes the folder. Works twice. */
  async close(): Promise<void> {
    await Promise.all(this.#processes.map((running) => running.stop()))
    await rm(this.folder, { recursive: true, force: true })
  }
}

export class Gateway {
  readonly url: URL
  readonly queue: URL
  readonly #spawn: () => DemoProcess
  #running: DemoProcess | undefined

  constructor(url: URL, spawn: () => DemoProcess) {
    this.url = url
    this.queue = new URL(`/v1/queues/${QUEUE}`, url)
    this.#spawn = spawn
  }

  /** Resolves when it takes requests. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#running = this.#spawn()
    await this.#running.until(() => isReady(this.url), signal)
  }

  get pid(): number {
    return this.#running?.pid ?? 0
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#running?.kill()
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
  }
}

function isReady(gateway: URL): Promise<boolean> {
  return textAt(new URL('/readyz', gateway)).then(
    () => true,
    () => false,
  )
}

function configOf(port: number, database: string, { target, rate, maxDepth }: GatewaySettings): string {
  return [
    `listen: 127.0.0.1:${port}`,
    `storage: ${JSON.stringify(`sqlite:${database}`)}`,
    'allowPrivateTargets: [127.0.0.1]',
    'graceMs: 1000',
    'queues:',
    `  ${QUEUE}:`,
    `    target: ${target.href}`,
    // No ramp: the service of the demo is warm when the load comes.
    `    rate: { perSecond: ${rate}, rampMs: 0 }`,
    '    concurrency: 32',
    ...(maxDepth === undefined ? [] : [`    maxDepth: ${maxDepth}`]),
    '',
  ].join('\n')
}
