/** Kills at random points, of the server and of its clients, and what must be true of the history all the same. */

import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { haveRedis } from '../servers/redis.ts'
import { open, startServer, SYNCED, untilItWorks, Worker } from './redis-scene.ts'

const KILLS = 50
const LEASE_MS = 1_000

/** All that the processes said. */
class History {
  readonly acknowledged = new Set<string>()
  /** The tokens of each task's grants, as they came. */
  readonly grants = new Map<string, string[]>()
  readonly settled: string[] = []
  stale = 0
  #lines = 0
  #next: { readonly at: number; readonly resolve: () => void } | undefined

  readonly add = (line: string): void => {
    const [event, id = '', token = ''] = line.split(' ')
    if (event === 'ack') this.acknowledged.add(id)
    else if (event === 'grant') this.grants.set(id, [...(this.grants.get(id) ?? []), token])
    else if (event === 'settled') this.settled.push(`${id} ${token}`)
    else if (event === 'stale') this.stale++
    else throw new Error(`"${line}" is nothing that a worker says`)
    this.#lines++
    if (this.#next && this.#lines >= this.#next.at) this.#next.resolve()
  }

  /** Resolves when so many more things have happened. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#next = { at: this.#lines + count, resolve }
    })
  }
}

if (haveRedis('kill -9 of Redis and its clients')) {
  test(`${KILLS} kills of server, producer and consumers: nothing acknowledged is lost, nothing is completed twice`, async () => {
    const server = await startServer(...SYNCED)
    const random = seededRandom(20_261_125)
    const history = new History()
    const start = (role: 'produce' | 'consume') => new Worker([server.url, role, String(LEASE_MS)], history.add)
    const producers = [start('produce')]
    const consumers = [start('consume'), start('consume')]
    let serverKills = 0
    for (let kill = 0; kill < KILLS; kill++) {
      await history.more(1 + Math.floor(random.next() * 300))
      const chance = random.next()
      if (chance < 0.4) {
        serverKills++
        await server.stop('SIGKILL')
        await server.start()
        continue
      }
      const group = chance < 0.6 ? producers : consumers
      const at = Math.floor(random.next() * group.length)
      await group[at]?.kill()
      group[at] = start(group === producers ? 'produce' : 'consume')
    }
    expect(serverKills).toBeGreaterThan(4)

    await history.more(100)
    await Promise.all(producers.map((producer) => producer.finish()))
    const queue = await open(server.url)
    expect(queue.capabilities.durability).toBe('disk')
    for (;;) {
      const { ready, delayed, inFlight } = await queue.depth()
      if (ready + delayed + inFlight === 0) break
      await sleep(systemClock, 50)
    }
    await Promise.all(consumers.map((consumer) => consumer.finish()))

    // Whatever was acknowledged took effect, and the queue's own count says that all of it is completed.
    expect([...history.acknowledged].filter((id) => !history.grants.has(id))).toEqual([])
    const { totals, bytes, dead } = await queue.depth()
    expect(totals).toEqual({ accepted: totals?.completed, completed: totals?.completed, expired: 0, dropped: 0 })
    expect([bytes, dead]).toEqual([0, 0])
    expect(totals?.accepted).toBeGreaterThanOrEqual(history.acknowledged.size)
    expect(history.grants.size).toBe(totals?.accepted)
    // No task is completed twice, and so none by one token.
    const completed = history.settled.map((line) => line.split(' ')[0])
    expect(new Set(completed).size).toBe(completed.length)
    // Each grant has a token of its own, and they rise.
    for (const tokens of history.grants.values()) {
      const numbers = tokens.map((token) => Number.parseInt(token, 10))
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    }
    // Some leases were lost with their holders, or the kills were of no account.
    expect([...history.grants.values()].some((tokens) => tokens.length > 1)).toBe(true)
  }, 120_000)

  test('a server that is killed and comes back on its port is found again within 10 s', async () => {
    const server = await startServer(...SYNCED)
    const queue = await open(server.url)
    await queue.push([{ id: 'a', type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
    await server.stop('SIGKILL')
    await server.start()
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(10_000)
    expect((await queue.claim({ max: 5, leaseMs: 1_000, waitMs: 0 })).map(({ id }) => id)).toEqual(['a'])
  })
}
