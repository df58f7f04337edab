import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { seededRandom } from '../../random.ts'
import type { PgClient, PgQuery } from './driver.ts'
import { WorkListener } from './work-listener.ts'

type Listener = (...args: never[]) => void

/** A connection that says what it was asked, and does what the test tells it. */
class FakeClient {
  readonly asked: string[] = []
  readonly #listeners = new Map<string, Listener>()
  answers = true
  ended = false

  async connect(): Promise<void> {
    if (!this.answers) await new Promise(() => {})
  }

  async query({ text }: PgQuery): Promise<{ rows: unknown[] }> {
    this.asked.push(text)
    if (!this.answers) await new Promise(() => {})
    return { rows: [] }
  }

  async end(): Promise<void> {
    this.ended = true
  }

  unref(): void {}

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, listener)
  }

  emit(event: string, ...args: unknown[]): void {
    this.#listeners.get(event)?.(...(args as never[]))
  }
}

function setUp() {
  const clock = new VirtualClock()
  const clients: FakeClient[] = []
  const connect = () => {
    const client = new FakeClient()
    clients.push(client)
    return client as unknown as PgClient
  }
  const listener = new WorkListener({ connect, timeoutMs: 1_000, clock, random: seededRandom(1) })
  const heard: (string | undefined)[] = []
  const stop = listener.on('a', (message) => heard.push(message))
  return { clock, clients, listener, heard, stop }
}

test('it connects for the first channel, listens to all, and hears what is told', async () => {
  const { clock, clients, listener, heard } = setUp()
  const others: (string | undefined)[] = []
  await clock.advance(0)
  expect(listener.isListening).toBe(true)
  listener.on('b', (message) => others.push(message))
  await clock.advance(0)
  expect(clients).toHaveLength(1)
  expect(clients[0]?.asked).toEqual(['LISTEN "a"', 'LISTEN "b"'])
  heard.length = others.length = 0
  clients[0]?.emit('notification', { channel: 'a', payload: 'x 1' })
  expect([heard, others]).toEqual([['x 1'], []])
  await listener.close()
  expect(clients[0]?.ended).toBe(true)
})

test('a connection that emits an error is made anew, with all channels, and who waits is told that it may have missed something', async () => {
  const { clock, clients, listener, heard } = setUp()
  await clock.advance(0)
  listener.on('b', () => {})
  await clock.advance(0)
  heard.length = 0
  clients[0]?.emit('error', new Error('killed'))
  expect(listener.isListening).toBe(false)
  expect(heard).toEqual([undefined])
  await clock.advance(100)
  expect(clients).toHaveLength(2)
  expect(clients[1]?.asked).toEqual(['LISTEN "a";LISTEN "b"'])
  expect(listener.isListening).toBe(true)
  expect(heard.length).toBeGreaterThan(1)
  // What the old one still says is of no interest.
  heard.length = 0
  clients[0]?.emit('end')
  expect(listener.isListening).toBe(true)
  await listener.close()
})

test('a connection whose other end is gone without a word is found, and left', async () => {
  const { clock, clients, listener } = setUp()
  await clock.advance(0)
  await clock.advance(15_000)
  expect(clients[0]?.asked.at(-1)).toBe('SELECT 1')
  expect(listener.isListening).toBe(true)
  ;(clients[0] as FakeClient).answers = false
  await clock.advance(16_200)
  expect(listener.isListening).toBe(true)
  expect(clients[0]?.ended).toBe(true)
  expect(clients).toHaveLength(2)
  await listener.close()
})

test('after it was closed it connects no more', async () => {
  const { clock, clients, listener } = setUp()
  await clock.advance(0)
  await listener.close()
  clients[0]?.emit('error', new Error('late'))
  await clock.advance(60_000)
  expect(clients).toHaveLength(1)
})
