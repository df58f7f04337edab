import { afterEach, describe, expect, it } from 'vitest'
import { openBackend } from '../backends/open-backend.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import type { Handler } from '../consumer/handler.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../consumer/options.ts'
import { dead, release, retryIn } from '../consumer/outcome.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { QueueOptions } from '../queue/options.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { seededRandom } from '../random.ts'
import { createTelemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Wishes {
  readonly telemetry?: TelemetryOptions
  readonly queue?: QueueOptions<AnyTaskTypes>
  readonly consumer?: ConsumerOptions<AnyTaskTypes>
}

async function house(handler: Handler<AnyTaskTypes>, wishes: Wishes = {}) {
  const clock = new VirtualClock()
  const telemetry = createTelemetry({ eventLoop: false, clock, ...wishes.telemetry })
  closing.push(() => telemetry.close())
  const queue = await LoadLevelingQueue.open('memory:', {
    name: 'orders',
    clock,
    random: seededRandom(1),
    telemetry,
    ...wishes.queue,
  })
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2), ...wishes.consumer })
  return { clock, telemetry, queue, consumer }
}

/** Every sample of the text by its name and labels. */
async function samples(telemetry: Telemetry): Promise<Record<string, number>> {
  const { text } = await telemetry.prometheus()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]))
}

const CHARGE = '{queue="orders",type="charge"}'
const charge = (payload: unknown) => ({ type: 'charge', payload })

describe('createTelemetry', () => {
  it('counts what becomes of tasks, by queue and type', async () => {
    const answers = [undefined, retryIn(60_000), dead('no such customer'), release(60_000)]
    const { clock, telemetry, queue, consumer } = await house(({ payload }) => answers[Number(payload)], {
      queue: { maxDepth: 5 },
    })
    await queue.enqueueMany([0, 1, 2, 3].map(charge))
    await queue.enqueueMany([{ ...charge(0), id: 'x', ttlMs: 1 }, { ...charge(0), id: 'x' }, charge(0)])
    await clock.advance(10)
    await consumer.start()
    await clock.advance(1_000)
    expect(await samples(telemetry)).toMatchObject({
      [`forebay_tasks_offered_total${CHARGE}`]: 7,
      [`forebay_tasks_accepted_total${CHARGE}`]: 5,
      [`forebay_tasks_duplicate_total${CHARGE}`]: 1,
      'forebay_tasks_refused_total{queue="orders",type="charge",code="QUEUE_FULL"}': 1,
      [`forebay_tasks_started_total${CHARGE}`]: 4,
      [`forebay_tasks_completed_total${CHARGE}`]: 1,
      [`forebay_tasks_retried_total${CHARGE}`]: 1,
      'forebay_tasks_dead_total{queue="orders",type="charge",reason="refused"}': 1,
      [`forebay_tasks_released_total${CHARGE}`]: 1,
      [`forebay_tasks_expired_total${CHARGE}`]: 1,
      'forebay_queue_depth{queue="orders",state="ready"}': 0,
      'forebay_queue_depth{queue="orders",state="delayed"}': 2,
      'forebay_queue_depth{queue="orders",state="dead"}': 1,
      'messaging_client_sent_messages_total{queue="orders"}': 7,
      'messaging_client_consumed_messages_total{queue="orders"}': 5,
    })
    await consumer.stop()
  })

  it('measures waiting, holding and serving by the clock of the queue', async () => {
    const { clock, telemetry, queue, consumer } = await house(
      () => new Promise((resolve) => void clock.after(250, () => resolve(undefined))),
      { consumer: { rate: { perSecond: 2, rampMs: 0 }, concurrency: 4 } },
    )
    await queue.enqueueMany([1, 2, 3].map(charge))
    await clock.advance(2_000)
    await consumer.start()
    await clock.advance(5_000)
    const seen = await samples(telemetry)
    const served = '{queue="orders",type="charge",outcome="completed"}'
    expect(seen[`messaging_process_duration_seconds_count${served}`]).toBe(3)
    expect(seen[`messaging_process_duration_seconds_sum${served}`]).toBeCloseTo(0.75, 6)
    // They started 2, 2.5 and 3 seconds after they were due.
    expect(seen['forebay_task_wait_duration_seconds_count{queue="orders"}']).toBe(3)
    expect(seen['forebay_task_wait_duration_seconds_sum{queue="orders"}']).toBeCloseTo(7.5, 1)
    const held = seen['forebay_permit_wait_duration_seconds_sum{queue="orders"}'] ?? Number.NaN
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThan(1)
    await consumer.stop()
  })

  it('shows limits, what bounds the flow, and how much of the rate is used', async () => {
    const { clock, telemetry, queue, consumer } = await house(() => undefined, {
      consumer: { rate: { perSecond: 10, rampMs: 0 }, concurrency: 4 },
    })
    await queue.enqueueMany(Array.from({ length: 60 }, (_, n) => charge(n)))
    await consumer.start()
    await clock.advance(11_000)
    expect(await samples(telemetry)).toMatchObject({
      'forebay_consumers{queue="orders",state="running"}': 1,
      'forebay_concurrency_limit{queue="orders"}': 4,
      'forebay_rate_limit_per_second{queue="orders"}': 10,
      'forebay_rate_effective_per_second{queue="orders"}': 10,
      'forebay_flow_bound{queue="orders",bound="rate"}': 1,
      'forebay_flow_bound{queue="orders",bound="paused"}': 0,
    })
    // Of the 60 starts, the 10 of the first second lie before the last ten.
    expect(await samples(telemetry)).toMatchObject({ 'forebay_pacer_utilization_ratio{queue="orders"}': 0.5 })
    consumer.pause()
    expect(await samples(telemetry)).toMatchObject({
      'forebay_flow_bound{queue="orders",bound="paused"}': 1,
      'forebay_consumers{queue="orders",state="paused"}': 1,
    })
    await consumer.stop()
    expect(await samples(telemetry)).toMatchObject({ 'forebay_consumers{queue="orders",state="paused"}': 0 })
  })

  it('shows the breaker, once there is one', async () => {
    const failing = () => Promise.reject(new Error('away'))
    const { clock, telemetry, queue, consumer } = await house(failing, {
      consumer: { breaker: { minCalls: 2 }, retry: { maxAttempts: 9, baseMs: 1 } },
    })
    await queue.enqueueMany([1, 2, 3].map(charge))
    await consumer.start()
    await clock.advance(500)
    expect(await samples(telemetry)).toMatchObject({
      'forebay_breaker_state{queue="orders",state="open"}': 1,
      'forebay_breaker_state{queue="orders",state="closed"}': 0,
      'forebay_breaker_changes_total{queue="orders",state="open"}': 1,
      'forebay_flow_bound{queue="orders",bound="breaker"}': 1,
    })
    await consumer.stop()
    const other = await house(() => undefined)
    await other.consumer.start()
    const withoutBreaker = Object.keys(await samples(other.telemetry))
    expect(withoutBreaker.filter((name) => name.startsWith('forebay_breaker_state'))).toEqual([])
    await other.consumer.stop()
  })

  it('shows the most frequent keys if that is asked for, and no key else', async () => {
    const tasks = ['a', 'a', 'a', 'b', 'b', 'c'].map((key) => ({ ...charge(1), key }))
    const asked = await house(() => undefined, { telemetry: { topKeys: 2 } })
    await asked.queue.enqueueMany(tasks)
    expect(await samples(asked.telemetry)).toMatchObject({
      'forebay_key_tasks{queue="orders",key="a"}': 3,
      'forebay_key_tasks{queue="orders",key="b"}': 2,
    })
    await asked.queue.enqueueMany([1, 2, 3].map(() => ({ ...charge(1), key: 'c' })))
    const later = Object.keys(await samples(asked.telemetry)).filter((name) => name.startsWith('forebay_key'))
    expect(later).toEqual(['forebay_key_tasks{queue="orders",key="a"}', 'forebay_key_tasks{queue="orders",key="c"}'])
    const silent = await house(() => undefined)
    await silent.queue.enqueueMany(tasks)
    expect((await silent.telemetry.prometheus()).text).not.toContain('key=')
  })

  it('has no id, payload, result or header of a task in it', async () => {
    const { clock, telemetry, queue, consumer } = await house(() => undefined, { telemetry: { topKeys: 5 } })
    await queue.enqueue({ id: 'canary-id', type: 'charge', payload: 'canary-payload', headers: { a: 'canary-header' } })
    await consumer.start()
    await clock.advance(100)
    expect((await telemetry.prometheus()).text).not.toContain('canary')
    await consumer.stop()
  })

  it('leaves the depth out while the backend does not tell it, and never waits for long', async () => {
    const { clock, telemetry, queue } = await house(() => undefined)
    const name = 'forebay_queue_depth{queue="orders",state="ready"}'
    expect(await samples(telemetry)).toHaveProperty([name], 0)
    await queue.close()
    await clock.advance(2_000)
    expect(await samples(telemetry)).not.toHaveProperty([name])
    const stuck = await house(() => undefined)
    const never = Object.assign(Object.create(stuck.queue.service) as typeof stuck.queue.service, {
      depth: () => new Promise<never>(() => {}),
    })
    const other = await LoadLevelingQueue.open(never, {
      name: 'stuck',
      clock: stuck.clock,
      telemetry: stuck.telemetry,
    })
    const scraped = samples(stuck.telemetry)
    await stuck.clock.advance(2_000)
    expect(Object.keys(await scraped).filter((line) => line.includes('queue_depth{queue="stuck"'))).toEqual([])
    expect(other.name).toBe('stuck')
  })

  it('goes on counting where it was when a queue is opened again under its name', async () => {
    const { telemetry, queue, clock } = await house(() => undefined)
    await queue.enqueue(charge(1))
    await queue.close()
    const again = await LoadLevelingQueue.open('memory:', { name: 'orders', clock, telemetry })
    await again.enqueue(charge(2))
    expect(await samples(telemetry)).toMatchObject({ [`forebay_tasks_accepted_total${CHARGE}`]: 2 })
    await again.close()
  })

  it.each([
    ['maxSeries', { maxSeries: 10 }],
    ['topKeys', { topKeys: 51 }],
    ['topKeys', { topKeys: 0.5 }],
  ])('refuses %s out of its bounds, and says them', (path, options) => {
    const refusal = expect.objectContaining({
      code: 'INVALID_OPTION',
      path,
      message: expect.stringMatching(/whole number from \d+ to \d+/),
    })
    expect(() => createTelemetry({ eventLoop: false, ...options })).toThrow(refusal)
  })
})

describe('a coordinator', () => {
  it('is timed as well: what the consumers of a queue share is asked of it', async () => {
    const { clock, telemetry } = await house(() => undefined)
    const opened = await openBackend('memory:', { queue: 'sole', clock, random: seededRandom(3) })
    // An engine without atomic state of its own.
    const { backend, capabilities, dead: letters } = opened
    const sole: QueueService = {
      backend,
      capabilities,
      dead: letters,
      push: (...args) => opened.push(...args),
      claim: (asked) => opened.claim(asked),
      settle: (settlements) => opened.settle(settlements),
      extend: (claims, leaseMs) => opened.extend(claims, leaseMs),
      depth: (newcomer) => opened.depth(newcomer),
      find: (ids) => opened.find(ids),
      close: () => opened.close(),
    }
    const options = { name: 'sole', clock, telemetry, coordinator: 'memory:', random: seededRandom(4) }
    const queue = await LoadLevelingQueue.open(sole, options)
    const consumer = new LeveledConsumer(queue, () => undefined, { rate: { perSecond: 5 }, random: seededRandom(5) })
    await queue.enqueue(charge(1))
    await consumer.start()
    await clock.advance(1_000)
    await consumer.stop()
    const { 'messaging_client_operation_duration_seconds_count{queue="sole",operation="shared"}': asked } =
      await samples(telemetry)
    expect(asked).toBeGreaterThan(0)
    await queue.close()
  })
})

describe('the delay of the event loop', () => {
  it('is shown in seconds, as it is told', async () => {
    const eventLoop = { read: () => ({ meanMs: 1, p99Ms: 20, maxMs: 300 }), stop: () => {} }
    const { telemetry } = await house(() => undefined, { telemetry: { eventLoop } })
    expect(await samples(telemetry)).toMatchObject({
      nodejs_eventloop_delay_mean_seconds: 0.001,
      nodejs_eventloop_delay_p99_seconds: 0.02,
      nodejs_eventloop_delay_max_seconds: 0.3,
    })
  })
})
