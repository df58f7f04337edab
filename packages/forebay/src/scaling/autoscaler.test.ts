import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { ForebayError } from '../errors.ts'
import type { ScalingDecision } from '../flow/scaling-options.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { Autoscaler } from './autoscaler.ts'
import { ConsumerActuator } from './consumer-actuator.ts'

async function scene({ rate }: { rate?: number } = {}) {
  const clock = new VirtualClock()
  const telemetry = createTelemetry({ clock, eventLoop: false, meterProvider: false, tracerProvider: false })
  const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', clock, random: seededRandom(1), telemetry })
  let done = 0
  const consumer = new LeveledConsumer(
    queue,
    () => new Promise<undefined>((resolve) => clock.after(1_000, () => resolve(void done++))),
    { concurrency: 1, random: seededRandom(2), ...(rate !== undefined && { rate: { perSecond: rate } }) },
  )
  const autoscaler = new Autoscaler(queue, new ConsumerActuator(consumer), {
    waitMs: 20_000,
    controlMs: 2_000,
    min: 1,
    max: 50,
  })
  const decisions: ScalingDecision[] = []
  autoscaler.on('decision', (decision) => decisions.push(decision))
  const shown = async () => (await telemetry.prometheus()).text.match(/^forebay_(desired|useful|late).*$/gm)
  return { clock, queue, consumer, autoscaler, decisions, shown, done: () => done }
}

const tasks = (count: number) => Array.from({ length: count }, () => ({ type: 'work', payload: {} }))

describe('the autoscaler within a process', () => {
  it('its decisions are among the metrics of the queue, while it decides', async () => {
    const { clock, queue, consumer, autoscaler, decisions, shown } = await scene({ rate: 4 })
    await consumer.start()
    expect(await shown()).toBeNull()
    autoscaler.start()
    await queue.enqueueMany(tasks(100))
    await clock.advance(10_000)
    const latest = decisions.at(-1) as ScalingDecision
    expect(latest.desired).toBeGreaterThan(1)
    expect(Number.isFinite(latest.useful)).toBe(true)
    expect(await shown()).toEqual([
      `forebay_desired_workers{queue="orders"} ${latest.desired}`,
      `forebay_useful_workers{queue="orders"} ${latest.useful}`,
      `forebay_late_share_ratio{queue="orders"} ${latest.lateShare}`,
    ])
    await autoscaler.stop()
    expect(await shown()).toBeNull()
    await clock.advance(60_000)
    await consumer.stop()
  })

  it('raises the concurrency for a backlog, serves it within the objective, and lowers it again', async () => {
    const { clock, queue, consumer, autoscaler, decisions, done } = await scene()
    const waits: number[] = []
    consumer.on('started', ({ waitedMs }) => waits.push(waitedMs))
    await consumer.start()
    autoscaler.start()
    autoscaler.start()
    // Some to measure the service time by, and then a burst.
    await queue.enqueueMany(tasks(3))
    await clock.advance(10_000)
    await queue.enqueueMany(tasks(200))
    await clock.advance(60_000)
    expect(done()).toBe(203)
    const most = Math.max(...decisions.map(({ desired }) => desired))
    expect(most).toBeGreaterThanOrEqual(10)
    expect(most).toBeLessThanOrEqual(25)
    expect(waits.filter((wait) => wait > 20_000)).toEqual([])
    await clock.advance(120_000)
    expect(consumer.limits.concurrency).toBe(1)
    expect(decisions).toHaveLength(96)

    await autoscaler.stop()
    await autoscaler.stop()
    await clock.advance(60_000)
    expect(decisions).toHaveLength(96)
    await consumer.stop()
    await queue.close()
  })

  it('asks for no more than the rate can use, and says so', async () => {
    const { clock, queue, consumer, autoscaler, decisions } = await scene({ rate: 3 })
    await consumer.start()
    autoscaler.start()
    await queue.enqueueMany(tasks(3))
    await clock.advance(10_000)
    await queue.enqueueMany(tasks(500))
    await clock.advance(60_000)
    // 3/s of a second each.
    expect(consumer.limits.concurrency).toBe(3)
    const bound = decisions.find(({ boundBy }) => boundBy === 'capacity')
    expect(bound).toMatchObject({ desired: 3, useful: 3 })
    expect(bound?.reason).toMatch(/The downstream can use 3 at present: 3 workers, for more would only wait for it\.$/)
    await autoscaler.stop()
    const stopping = consumer.stop({ graceMs: 0 })
    await clock.advance(60_000)
    await stopping
    await queue.close()
  })
})

it('while the queue cannot be looked at it tells so, changes nothing, and goes on after', async () => {
  const clock = new VirtualClock()
  let isDown = false
  const depth = {
    ready: 900,
    delayed: 0,
    inFlight: 0,
    dead: 0,
    oldestReadyAgeMs: 60_000,
    bytes: undefined,
    totals: undefined,
  }
  const queue = {
    clock,
    depth: () =>
      isDown ? Promise.reject(new ForebayError('BACKEND_UNAVAILABLE', 'It is away.')) : Promise.resolve(depth),
  }
  const asked: number[] = []
  const actuator = {
    workers: () => undefined,
    work: () => ({ serviceMs: 100 }),
    scaleTo: (workers: number) => asked.push(workers),
  }
  const autoscaler = new Autoscaler(queue, actuator, { waitMs: 10_000, controlMs: 5_000, max: 4 })
  const errors: string[] = []
  autoscaler.on('error', ({ error }) => errors.push(error.code))
  isDown = true
  autoscaler.start()
  await clock.advance(5_000)
  expect([errors, asked]).toEqual([['BACKEND_UNAVAILABLE', 'BACKEND_UNAVAILABLE'], []])
  isDown = false
  await clock.advance(5_000)
  expect([errors.length, asked]).toEqual([2, [4]])
  await autoscaler.stop()
})

it('refuses an objective that makes no sense', () => {
  const queue = { clock: new VirtualClock(), depth: () => Promise.reject(new Error('unused')) }
  const actuator = { workers: () => undefined, work: () => ({}), scaleTo: () => {} }
  expect(() => new Autoscaler(queue, actuator, { waitMs: -1 })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', path: 'waitMs' }),
  )
})
