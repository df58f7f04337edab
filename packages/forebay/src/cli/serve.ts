/** `forebay serve`: the gateway in a process of its own. */

import type { Command } from 'commander'
import type { Depth } from '../backends/queue-service.ts'
import type { ForebayError } from '../errors.ts'
import type { GatewayQueue } from '../gateway/gateway-queue.ts'
import { onInterrupt } from './interrupt.ts'

export interface ServeOptions {
  /** The configuration file. */
  readonly config: string
  /** Over what the file says. */
  readonly listen?: string | undefined
  readonly storage?: string | undefined
}

export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('take tasks by HTTP and deliver them at a steady rate')
    .option('-c, --config <file>', 'the configuration ("forebay init" writes one)', 'forebay.yaml')
    .option('--listen <host:port>', 'where to listen, over what the configuration says')
    .option('--storage <url>', 'the backend, such as sqlite:forebay.db, over what the configuration says')
    .action((options: ServeOptions) => serve(options))
}

/**
 * Serves until SIGINT or SIGTERM; then it stops in order, within the configured `graceMs`. A second signal ends it at once:
 * what was acknowledged is kept either way.
 * @throws ForebayError INVALID_CONFIG, ADDRESS_IN_USE, or what the backend says.
 */
export async function serve({ config: path, listen, storage }: ServeOptions): Promise<void> {
  // Loaded here, so that the other commands start without it.
  const { loadConfig } = await import('../gateway/config.ts')
  const { Gateway } = await import('../gateway/gateway.ts')
  const config = await loadConfig({ path, env: process.env, flags: { listen, storage } })
  const gateway = await Gateway.open(config, { onError: report })
  const interruption = onInterrupt('Stopped')
  try {
    const url = await gateway.start()
    for (const queue of gateway.queues.values()) say(describe(queue, await queue.queue.depth()))
    if (config.metrics) say(`Metrics for Prometheus are at ${url}/metrics.`)
    say(`Forebay serves at ${url} from ${withoutPassword(config.storage)}. Stop it with Ctrl-C.`)
    await aborted(interruption.signal)
    say('Stopping: running deliveries may end. Press again to end at once; nothing acknowledged is lost.')
  } finally {
    await gateway.stop()
    interruption.off()
  }
}

function describe({ name, settings, consumer }: GatewayQueue, { ready, delayed, dead }: Depth): string {
  const { origin, pathname } = new URL(settings.target.url)
  const { perSecond, concurrency } = consumer.limits
  const paused = consumer.state === 'paused' ? ', paused' : ''
  return `${name}: ${perSecond}/s to ${origin}${pathname}, ${concurrency} at once${paused}; ${ready + delayed} waiting, ${dead} dead.`
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function withoutPassword(storage: string): string {
  return storage.replace(/\/\/[^@/]*@/, '//')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function report(error: ForebayError): void {
  process.stderr.write(`forebay: ${error.code}: ${error.message}\n`)
}
