import { once } from 'node:events'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { haveNats } from '../servers/nats.ts'
import { claimOne, open, startConsumer, startServer, task } from './nats-scene.ts'

const LEASE_MS = 1_000

/** Until a lease that is over is found and the task is granted again. */
const SWEEP_MS = 1_000

if (haveNats('leases of nats: whose holders stop or die')) {
  test('a consumer that is stopped beyond its lease and goes on is told that it lost the task', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    const heard: string[][] = []
    const consumer = startConsumer(server.port, { leaseMs: LEASE_MS, workMs: 600 }, (words) => heard.push(words))
    const said = (word: string) => heard.find(([first]) => first === word)
    await consumer.begun
    await queue.push([task('a')])
    while (!said('grant')) await sleep(systemClock, 2)
    consumer.process.kill('SIGSTOP')
    const claim = await claimOne(queue)
    expect([claim.id, claim.task.attempts]).toEqual(['a', 2])
    consumer.process.kill('SIGCONT')
    while (!said('settle')) await sleep(systemClock, 2)
    expect(said('settle')?.at(-1)).toBe('stale')
    expect(await queue.settle([{ claim, outcome: 'complete' }])).toEqual([{ status: 'settled' }])
  })

  test('what a consumer held that was killed is granted again when the lease is over, and not before', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    const heard: string[][] = []
    const consumer = startConsumer(server.port, { leaseMs: LEASE_MS, workMs: 5_000 }, (words) => heard.push(words))
    await consumer.begun
    await queue.push([task('a')])
    while (!heard.some(([word]) => word === 'grant')) await sleep(systemClock, 2)
    consumer.process.kill('SIGKILL')
    await once(consumer.process, 'exit')
    const claim = await claimOne(queue)
    const overMs = systemClock.monotonic() - Number(heard.find(([word]) => word === 'grant')?.at(-1))
    expect(overMs).toBeGreaterThan(-50)
    expect(overMs).toBeLessThan(SWEEP_MS)
    expect(claim.task.attempts).toBe(2)
  })

  test('kill -9 of the server leaves leases as they are, also one that was granted just before', async () => {
    const server = await startServer()
    const [holder, other] = [await open(server.port), await open(server.port)]
    await holder.push([task('a'), task('b')])
    const first = await claimOne(holder, 4_000)
    await holder.extend([first], 4_000)
    const second = await claimOne(holder, 4_000)
    // The consumer's state is written up to 100 ms later: the server forgets whom it delivered this one to.
    await server.stop('SIGKILL')
    await server.start()
    const grantedAt = systemClock.monotonic()
    while (!(await other.depth().catch(() => undefined))) await sleep(systemClock, 20)
    expect(await other.claim({ max: 2, leaseMs: 1_000, waitMs: 1_000 })).toEqual([])
    expect(await holder.settle([{ claim: first, outcome: 'complete' }])).toEqual([{ status: 'settled' }])
    const again = await claimOne(other)
    expect(again.id).toBe(second.id)
    expect(systemClock.monotonic() - grantedAt).toBeGreaterThan(3_000)
    expect(await holder.settle([{ claim: second, outcome: 'complete' }])).toEqual([{ status: 'stale' }])
  })
}
