/** Opens the `amqp:` backend: by a URL, or over a connection that its user made. */

import type { Connection } from 'rabbitmq-client'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { RandomSource } from '../../random.ts'
import { RabbitmqQueueService, type Wires } from './rabbitmq-queue-service.ts'
import { parseRabbitmqUrl, type QueueType } from './rabbitmq-url.ts'
import { Topology } from './topology.ts'
import { Wire } from './wire.ts'

export type RabbitmqOptions = (
  | {
      /** `amqp://user:password@host:port/vhost`, or `amqps:`; two connections are opened. */
      readonly url: string
    }
  | {
      /** A connection of your own. It is used for everything, so a server that blocks publishers blocks its claims as well. */
      readonly connection: Connection
    }
) & {
  /** Default `default`. */
  readonly queue?: string
  /** What the queues on the server are. Default `quorum`: replicated, and no less durable than their majority. */
  readonly queueType?: QueueType
  /** Begins the names of the queues on the server. Default `forebay`. Letters, digits, `.`, `_`, `-`. */
  readonly prefix?: string
  /** The server's `consumer_timeout`, if it was changed, milliseconds. No lease lasts longer. Default 1,800,000. */
  readonly consumerTimeoutMs?: number
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** Where the names of connections and tokens come from. Default: the system's source. */
  readonly random?: RandomSource
}

/**
 * Opens a queue on a RabbitMQ server; makes what is missing there.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE`, `INVALID_URL`, `INVALID_OPTION` (the queue exists and is another kind of queue),
 * `MISSING_PACKAGE`.
 */
export async function openRabbitmq(options: RabbitmqOptions): Promise<RabbitmqQueueService> {
  const { queue = 'default', clock = systemClock } = options
  const place = 'url' in options ? parseRabbitmqUrl(options.url) : undefined
  const prefix = options.prefix ?? place?.prefix ?? 'forebay'
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(prefix)) {
    const message = `"${prefix}" is no prefix: letters, digits, ".", "_" and "-", at most 64.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'prefix' })
  }
  const queueType = options.queueType ?? place?.queueType ?? 'quorum'
  const wires = place ? await connect(place, queue, clock) : ownWires(options as { connection: Connection }, clock)
  const service = new RabbitmqQueueService(wires, new Topology(prefix, queue, queueType), queueType, options)
  try {
    await service.open()
    return service
  } catch (thrown) {
    await service.close()
    throw thrown
  }
}

async function connect(place: { url: string; shown: string }, queue: string, clock: Clock): Promise<Wires> {
  const opening = ['publishes', 'consumes'].map((what) =>
    Wire.connect(place.url, place.shown, `forebay ${queue}, ${what}`, clock),
  )
  const opened = await Promise.allSettled(opening)
  const failed = opened.find((one) => one.status === 'rejected')
  const [publishing, consuming] = opened.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
  if (publishing && consuming) return { publishing, consuming }
  await Promise.all([publishing?.close(), consuming?.close()])
  throw failed?.reason
}

function ownWires({ connection }: { readonly connection: Connection }, clock: Clock): Wires {
  const wire = new Wire(connection, 'the given connection', clock, false)
  return { publishing: wire, consuming: wire }
}
