import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { whyNoPostgres } from '../servers/postgres.ts'
import { open, spawnWorker, startServer, task } from './postgres-scene.ts'

test('a consumer that was stopped beyond its lease cannot touch the task any more', async ({ skip }) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const server = await startServer({ inMemory: true })
  const queue = await open({ url: server.url })
  await queue.push([task('a')])
  const worker = spawnWorker(server.url, 'hold')
  const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
  const granted = String((await lines.next()).value).split(' ')
  expect(granted.slice(1, 3)).toEqual(['grant', 'a'])
  worker.kill('SIGSTOP')

  const parked = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
  expect(parked.map(({ id, task: { attempts } }) => [id, attempts])).toEqual([['a', 2]])
  expect(BigInt(parked[0]?.token ?? 0)).toBeGreaterThan(BigInt(granted[3] as string))

  worker.kill('SIGCONT')
  worker.stdin.write('go on\n')
  const settled = String((await lines.next()).value).split(' ')
  expect(settled.slice(1)).toEqual(['settled', 'a', granted[3], 'stale', 'stale'])
  await once(worker, 'exit')
  expect(await queue.depth()).toMatchObject({ inFlight: 1, totals: { completed: 0 } })
  expect(await queue.settle(parked.map((claim) => ({ claim, outcome: 'complete' })))).toEqual([{ status: 'settled' }])
})

test('leases outlive the server: what was held before its death is held after it, and comes back in time', async ({
  skip,
}) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const server = await startServer({ inMemory: true })
  const queue = await open({ url: server.url })
  await queue.push([task('a'), task('b')])
  const [a] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
  const [b] = await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })
  await server.kill()
  await server.run()
  await expect.poll(() => queue.depth().catch(() => undefined), { timeout: 10_000 }).toBeDefined()
  await sleep(systemClock, 1_000)
  expect((await queue.claim({ max: 5, leaseMs: 60_000, waitMs: 0 })).map(({ id }) => id)).toEqual([b?.id])
  expect(await queue.settle(a ? [{ claim: a, outcome: 'complete' }] : [])).toEqual([{ status: 'settled' }])
})
