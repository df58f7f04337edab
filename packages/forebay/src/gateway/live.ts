/**
 * `GET /v1/live`: the figures of all queues as Server-Sent Events.
 *
 *     event: history   once, first:       { everyMs, samples: LiveSample[] }   the last five minutes, oldest first
 *     event: sample    every second:      LiveSample
 *     event: state     when it changes:   { name, state }
 *
 * The number of listeners is bounded, and one that does not read what it is sent is dropped: it can connect again and
 * gets the history.
 */

import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { type Clock, systemClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { type LiveQueue, LiveSampler, SAMPLE_EVERY_MS } from './live-sampler.ts'

const MOST_LISTENERS = 64

/** A listener with more than this unread beyond its history is dropped, bytes. */
const MOST_UNREAD_BYTES = 1_048_576

export interface LiveOptions {
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
}

/** Adds the route, and begins to sample at once; it ends when the app closes. */
export function registerLive(
  app: FastifyInstance,
  gateway: { readonly queues: ReadonlyMap<string, LiveQueue> },
  options: LiveOptions = {},
): void {
  const sampler = new LiveSampler(gateway.queues.values(), options.clock ?? systemClock)
  const listeners = new Set<Listener>()
  const send = (event: string, data: unknown) => {
    const text = eventText(event, data)
    for (const listener of listeners) listener.send(text)
  }
  sampler.on('sample', (sample) => send('sample', sample))
  sampler.on('state', (change) => send('state', change))

  app.get('/v1/live', (_request, reply) => {
    if (listeners.size >= MOST_LISTENERS) {
      throw new ForebayError('TOO_BUSY', `${MOST_LISTENERS} listen to the live figures already, which is the most.`, {
        retryAfterMs: 5_000,
      })
    }
    reply.hijack()
    // What hooks have set goes along. The last header is for proxies, which would hold the events back.
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) reply.raw.setHeader(name, value)
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // Its end ends the connection as well, so that a gateway that closes has not to wait for the client.
      connection: 'close',
    })
    const listener = new Listener(
      reply.raw,
      eventText('history', { everyMs: SAMPLE_EVERY_MS, samples: sampler.history }),
    )
    listeners.add(listener)
    reply.raw.on('close', () => listeners.delete(listener))
    // An error is followed by 'close'; without a listener it would end the process.
    reply.raw.on('error', () => listeners.delete(listener))
  })

  app.addHook('preClose', async () => {
    sampler.stop()
    for (const listener of listeners) listener.end()
  })
}

function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

class Listener {
  readonly #response: ServerResponse
  readonly #mostUnread: number

  constructor(response: ServerResponse, history: string) {
    this.#response = response
    this.#mostUnread = Buffer.byteLength(history) + MOST_UNREAD_BYTES
    response.write(history)
  }

  send(text: string): void {
    if (this.#response.writableLength > this.#mostUnread) this.#response.destroy()
    else this.#response.write(text)
  }

  /** Who has unread events is cut off: waiting for it could take for ever. */
  end(): void {
    if (this.#response.writableLength > 0) this.#response.destroy()
    else this.#response.end()
  }
}
