/** What `forebay conform` leaves behind on a server: on Redis nothing, also when a check fails; elsewhere it says so. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { openBackend } from '../../packages/forebay/src/backends/open-backend.ts'
import { conform, type Suite } from '../../packages/forebay/src/cli/conform-command.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { type Check, runCheck } from '../../packages/forebay/src/conformance/target.ts'
import { systemRandom } from '../../packages/forebay/src/random.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'

/** Leaves a key of every kind: lines, turns, dedup ids, results, words, dead letters. */
const littering: Check = {
  name: 'leaves much',
  async run(scene) {
    await scene.push(
      {},
      { key: 'a:b}c', weight: 1 },
      { key: 'k', ordered: true },
      { key: 'k', ordered: true },
      { dedup: { id: 'd', windowMs: 60_000 } },
      { delayMs: 60_000 },
    )
    const [done, gone] = await scene.claim(2)
    if (!done || !gone) throw new Error('two were to be granted')
    await scene.settle(done, { outcome: 'complete', keep: { result: '1', keepMs: 60_000 } })
    await scene.settle(gone, { outcome: 'dead', reason: 'refused' })
  },
}
const failing: Check = { name: 'fails', run: () => Promise.reject(new Error('it does not hold')) }
const suiteOf = (...checks: Check[]): Suite => ({ topics: [{ name: 'litter', checks }], runCheck })

async function lastLineOf(work: () => Promise<void>): Promise<{ line: string; thrown: unknown }> {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    const thrown = await work().then(
      () => undefined,
      (error: unknown) => error,
    )
    return { line: String(written.mock.calls.at(-1)?.[0]).trimEnd(), thrown }
  } finally {
    written.mockRestore()
  }
}

test('where a backend has no way to remove queues the last line says that they were left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-leavings-'))
  const { line } = await lastLineOf(() => conform(`sqlite:${join(folder, 'q.db')}`, undefined, suiteOf(littering)))
  expect(line).toBe(
    '1 passed, 0 failed, 0 skipped; its 2 queues, whose names begin with "conformance-", were left there',
  )
  rmSync(folder, { recursive: true })
})

if (haveRedis('what forebay conform leaves')) {
  describe('redis', () => {
    const folder = mkdtempSync(join(tmpdir(), 'forebay-leavings-'))
    let server: RedisServer
    let client: Redis
    const keys = async () => (await client.keys('*')).sort()
    beforeAll(async () => {
      server = await RedisServer.start(folder)
      client = new Redis(server.url)
    })
    beforeEach(async () => {
      await client.flushall()
      await client.set('forebay:{conformance-of-others}:bodies', '1')
      await client.set('other:{conformance-probe}', '1')
      const queue = await openBackend(server.url, { queue: 'orders', clock: systemClock, random: systemRandom })
      await queue.push([{ id: 'a', type: 't', payload: '1', priority: 0, delayMs: 0 }])
      await queue.close()
    })
    afterAll(async () => {
      client.disconnect()
      await server.stop()
      rmSync(folder, { recursive: true })
    })

    test('all keys of its queues are removed, and no others', async () => {
      const before = await keys()
      let meanwhile: string[] = []
      const look: Check = {
        name: 'looks',
        run: async () => {
          meanwhile = await keys()
        },
      }
      const { line, thrown } = await lastLineOf(() => conform(server.url, undefined, suiteOf(littering, look)))
      expect(thrown).toBeUndefined()
      expect(line).toBe('2 passed, 0 failed, 0 skipped; nothing is left of its queues')
      expect(meanwhile.length).toBeGreaterThan(before.length + 8)
      expect(await keys()).toEqual(before)
    })

    test('also when a check fails, and with a prefix that looks like a pattern', async () => {
      const before = await keys()
      const url = `${server.url}?prefix=${encodeURIComponent('a*[x]\\?')}`
      const { line, thrown } = await lastLineOf(() => conform(url, undefined, suiteOf(littering, failing)))
      expect(thrown).toMatchObject({ code: 'NOT_CONFORMING' })
      expect(line).toBe('1 passed, 1 failed, 0 skipped; nothing is left of its queues')
      expect(await keys()).toEqual(before)
    })

    test('one topic of the suite as it is', async () => {
      const before = await keys()
      const { line } = await lastLineOf(() => conform(server.url, 'dedup'))
      expect(line).toMatch(/^\d+ passed, 0 failed, \d+ skipped; nothing is left of its queues$/)
      expect(await keys()).toEqual(before)
    })
  })
}
