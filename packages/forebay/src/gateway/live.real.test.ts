/** The events as they come over a socket. */

import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { FlowMeter } from './flow-meter.ts'
import { registerLive } from './live.ts'

let app: FastifyInstance
afterEach(() => app.close())

async function listen(): Promise<{ url: string; clock: VirtualClock; consumer: LeveledConsumer }> {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock })
  const consumer = new LeveledConsumer(queue, () => undefined, { clock })
  await consumer.start()
  app = fastify()
  app.setErrorHandler((error, _request, reply) => reply.code(error instanceof ForebayError ? error.status : 500).send())
  const gateway = {
    queues: new Map([['orders', { name: 'orders', queue, consumer, flow: new FlowMeter(queue, consumer, clock) }]]),
  }
  registerLive(app, gateway, { clock })
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), clock, consumer }
}

/** Each call resolves with the next event, undefined at the end. */
async function events(
  url: string,
): Promise<() => Promise<{ name: string; data: Record<string, unknown> } | undefined>> {
  const response = await fetch(`${url}/v1/live`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  return async () => {
    while (!rest.includes('\n\n')) {
      const { done, value } = await reader.read()
      if (done) return undefined
      rest += value
    }
    const [block = '', ...more] = rest.split('\n\n')
    rest = more.join('\n\n')
    const [, name = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? []
    return { name, data: JSON.parse(data) }
  }
}

test('the history first, then a sample a second, then the end when the gateway closes', async () => {
  const { url, clock } = await listen()
  await clock.advance(2_000)
  const next = await events(url)
  expect(await next()).toMatchObject({
    name: 'history',
    data: { everyMs: 1_000, samples: [{ queues: [{ name: 'orders' }] }, {}] },
  })
  await clock.advance(1_000)
  expect(await next()).toMatchObject({ name: 'sample', data: { queues: [{ name: 'orders', state: 'running' }] } })
  await app.close()
  expect(await next()).toBeUndefined()
})

test('a change of state is told at once', async () => {
  const { url, consumer } = await listen()
  const next = await events(url)
  await next()
  consumer.pause()
  expect(await next()).toEqual({ name: 'state', data: { name: 'orders', state: 'paused' } })
})

test('listeners are bounded, and who leaves makes room', async () => {
  const { url } = await listen()
  const all = Array.from({ length: 64 }, () => new AbortController())
  await Promise.all(all.map(({ signal }) => fetch(`${url}/v1/live`, { signal })))
  expect((await fetch(`${url}/v1/live`)).status).toBe(503)
  for (const one of all) one.abort()
  await expect.poll(async () => (await fetch(`${url}/v1/live`)).status).toBe(200)
})

test('a listener that does not read is dropped, and costs no more than its bound', async () => {
  const { url, clock } = await listen()
  const { port } = new URL(url)
  const { connect } = await import('node:net')
  const socket = connect(Number(port), '127.0.0.1')
  const gone = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => socket.destroy())
  socket.write('GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => socket.once('readable', resolve))
  // It never reads. Samples go on until the kernel's buffers and ours are full.
  const pump = async () => {
    for (let minute = 0; minute < 1_000 && (await connections()) > 0; minute++) await clock.advance(60_000)
  }
  const connections = () => new Promise<number>((resolve) => app.server.getConnections((_, count) => resolve(count)))
  await pump()
  expect(await connections()).toBe(0)
  socket.resume()
  await gone
})
