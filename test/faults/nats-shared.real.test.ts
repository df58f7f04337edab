/** What all consumers keep together: in NATS itself, or by a coordinator beside it. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import type { Step } from '../../packages/forebay/src/flow/shared-steps.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { mostInWindow } from '../../packages/forebay/src/replay/figures.ts'
import { haveNats } from '../servers/nats.ts'
import { afterwards, codeOf, insist, open, startServer } from './nats-scene.ts'

const PER_SECOND = 1_000
const ONE: Step & { readonly kind: 'reserve' } = {
  kind: 'reserve',
  limits: [{ perSecond: PER_SECOND, burst: 0, counts: 'tasks' }],
  rampMs: 0,
  costs: 1,
  charge: 0,
  leadMs: 0,
  horizonMs: 60_000,
}

if (haveNats('the shared state of nats:')) {
  test('slots that many reserve at once are each given once, evenly spaced', async () => {
    const server = await startServer()
    const services = await Promise.all(Array.from({ length: 4 }, () => open(server.port)))
    const reserved = await Promise.all(
      services.flatMap((service) => Array.from({ length: 25 }, () => service.shared.apply('flow', ONE))),
    )
    const slots = reserved.flatMap(({ result }) => result.at).sort((a, b) => a - b)
    expect(slots).toHaveLength(100)
    const gaps = slots.slice(1).map((slot, index) => slot - (slots[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThan(1_000 / PER_SECOND - 0.01)
  })

  test('a step that can’t be applied is rejected, and what was kept is there after kill -9 of the server', async () => {
    const server = await startServer()
    const queue = await open(server.port, { timeoutMs: 500 })
    const [first = 0] = (await queue.shared.apply('flow', { ...ONE, costs: 500 })).result.at.slice(-1)
    await server.stop('SIGKILL')
    expect(await queue.shared.apply('flow', ONE).catch(codeOf)).toBe('BACKEND_UNAVAILABLE')
    await server.start()
    let next: number | undefined
    await insist(async () => {
      next = (await queue.shared.apply('flow', ONE)).result.at[0]
    })
    expect(next).toBeGreaterThan(first)
  })

  test.each(['nats', 'sqlite'])('two consumers keep one rate together, coordinated by %s', async (by) => {
    const server = await startServer()
    const folder = mkdtempSync(join(tmpdir(), 'forebay-coordinator-'))
    afterwards(() => rmSync(folder, { recursive: true }))
    const options = by === 'nats' ? {} : { coordinator: `sqlite:${join(folder, 'rates.db')}` }
    const queues = [
      await LoadLevelingQueue.open(server.url, { name: 'orders', ...options }),
      await LoadLevelingQueue.open(server.url, { name: 'orders', ...options }),
    ]
    const starts: number[] = []
    const consumers = queues.map(
      (one) =>
        new LeveledConsumer(one, () => void starts.push(systemClock.monotonic()), {
          rate: { perSecond: 100, rampMs: 0 },
          concurrency: 20,
        }),
    )
    await queues[0]?.enqueueMany(Array.from({ length: 150 }, (_, payload) => ({ type: 't', payload })))
    for (const consumer of consumers) await consumer.start()
    while (starts.length < 150) await sleep(systemClock, 10)
    for (const consumer of consumers) await consumer.stop()
    for (const one of queues) await one.close()
    expect(starts).toHaveLength(150)
    expect(mostInWindow(starts, 1_000)).toBeLessThanOrEqual(106)
    expect((starts.at(-1) as number) - (starts[0] as number)).toBeGreaterThan(1_400)
  })
}
