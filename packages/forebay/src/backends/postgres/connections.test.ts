import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { seededRandom } from '../../random.ts'
import { Connections } from './connections.ts'
import type { PgPool } from './driver.ts'

class FakeClient extends EventEmitter {
  release(): void {}
  query(): Promise<{ rows: unknown[] }> {
    return Promise.resolve({ rows: [[1]] })
  }
}

/** As a pool of `pg`: a client that has just connected is heard by nobody until somebody has got it. */
class FakePool extends EventEmitter {
  readonly options = {}
  readonly client = new FakeClient()
  /** What happens in the packet that says that the server is ready. */
  inPacket: () => void = () => {}

  connect(): Promise<FakeClient> {
    this.emit('connect', this.client)
    this.inPacket()
    return Promise.resolve(this.client)
  }

  async end(): Promise<void> {}
}

function house() {
  const pool = new FakePool()
  const options = { clock: new VirtualClock(), random: seededRandom(1), timeoutMs: 1_000, where: 'here' }
  return { pool, connections: new Connections({ pool: pool as unknown as PgPool, ...options }) }
}

it('a server that ends with the packet that says it is ready does not end the process', async () => {
  const { pool, connections } = house()
  pool.inPacket = () => pool.client.emit('error', new Error('terminating connection'))
  expect(await connections.rows({ text: 'SELECT 1', name: 'one', values: [] })).toEqual([[1]])
})

it('hears a client once, and not any longer when it is back; a pool of others, not after the end', async () => {
  const { pool, connections } = house()
  for (let use = 0; use < 3; use++) {
    await connections.use(async () => expect(pool.client.listenerCount('error')).toBe(1))
    expect(pool.client.listenerCount('error')).toBe(0)
  }
  await connections.end(false)
  expect(pool.listenerCount('connect') + pool.listenerCount('error')).toBe(0)
})
