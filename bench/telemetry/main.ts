/**
 * What telemetry costs a task, in microseconds of one core.
 *
 *     decorator   push, claim and settle of a backend that does nothing, with the decorator round it and without
 *     events      what a task's events (accepted, started, completed) cost their listeners
 *     whole       tasks through a real queue and consumer on the memory backend, with telemetry and without: the process's CPU time
 *
 * Each is the median over rounds that alternate. Run it alone: `npm run bench:telemetry`.
 */

import type { Claim, QueueService } from '../../packages/forebay/src/backends/queue-service.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import type { ConsumerEvents } from '../../packages/forebay/src/consumer/events.ts'
import type { ObservedConsumer } from '../../packages/forebay/src/consumer/observer.ts'
import { Emitter } from '../../packages/forebay/src/events.ts'
import { createTelemetry, LeveledConsumer, LoadLevelingQueue } from '../../packages/forebay/src/index.ts'
import type { ObservedQueue } from '../../packages/forebay/src/queue/observer.ts'
import type { QueueEvents } from '../../packages/forebay/src/queue/options.ts'
import { observedService } from '../../packages/forebay/src/telemetry/observed-service.ts'
import { QueueWatch } from '../../packages/forebay/src/telemetry/queue-watch.ts'
import { Registry } from '../../packages/forebay/src/telemetry/registry.ts'

const ROUNDS = 9
const clock = systemClock

interface Row {
  readonly what: string
  readonly without: number
  readonly with: number
  readonly 'cost, µs a task': number
}

/** µs of CPU that this process uses for each of `tasks`. */
async function cpu(tasks: number, work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / tasks
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number
}

const rounded = (value: number) => Math.round(value * 1_000) / 1_000

async function compare(what: string, plain: () => Promise<number>, telling: () => Promise<number>): Promise<Row> {
  await plain()
  await telling()
  const without: number[] = []
  const withIt: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    without.push(await plain())
    withIt.push(await telling())
  }
  const cost = median(withIt) - median(without)
  return { what, without: rounded(median(without)), with: rounded(median(withIt)), 'cost, µs a task': rounded(cost) }
}

/** Grants and settles without doing anything. */
function idle(batch: number): QueueService {
  const claims = Array.from({ length: batch }, () => ({ waitedMs: 1 }) as Claim)
  const accepted = Array.from({ length: batch }, () => ({ status: 'accepted', id: 'x' }) as const)
  const settled = Array.from({ length: batch }, () => ({ status: 'settled' }) as const)
  return {
    backend: 'idle',
    push: async () => accepted,
    claim: async () => claims,
    settle: async () => settled,
  } as unknown as QueueService
}

async function throughPort(service: QueueService, batch: number): Promise<number> {
  const tasks = Array.from({ length: batch }, () => ({
    id: 'x',
    type: 'charge',
    payload: '1',
    priority: 0,
    delayMs: 0,
  }))
  const request = { max: batch, leaseMs: 30_000, waitMs: 0 }
  const calls = Math.ceil(100_000 / batch)
  return cpu(calls * batch, async () => {
    for (let call = 0; call < calls; call++) {
      await service.push(tasks)
      await service.claim(request)
      await service.settle([])
    }
  })
}

function decorator(batch: number): Promise<Row> {
  const bare = idle(batch)
  const registry = new Registry()
  const around = observedService(bare, { queue: 'orders', clock, registry, onKey: () => {} })
  return compare(
    `decorator, batches of ${batch}`,
    () => throughPort(bare, batch),
    () => throughPort(around, batch),
  )
}

function events(types: number): Promise<Row> {
  const emit = (told: { queue: Emitter<QueueEvents>; consumer: Emitter<ConsumerEvents> }) =>
    cpu(200_000, () => {
      for (let n = 0; n < 200_000; n++) {
        const task = { type: `type-${n % types}` } as ConsumerEvents['started']['task']
        told.queue.emit('accepted', { id: 'x', type: task.type })
        told.consumer.emit('started', { task, waitedMs: n % 5_000, heldMs: n % 100 })
        told.consumer.emit('completed', { task, durationMs: n % 300, result: undefined })
      }
    })
  const nobody = { queue: new Emitter<QueueEvents>(), consumer: new Emitter<ConsumerEvents>() }
  const listened = { queue: new Emitter<QueueEvents>(), consumer: new Emitter<ConsumerEvents>() }
  const watch = new QueueWatch({ name: 'orders', clock, registry: new Registry(), topKeys: 0 })
  watch.watchQueue({ on: listened.queue.on.bind(listened.queue) } as unknown as ObservedQueue)
  watch.watchConsumer({ on: listened.consumer.on.bind(listened.consumer) } as unknown as ObservedConsumer)
  return compare(
    `events of a task, ${types} types`,
    () => emit(nobody),
    () => emit(listened),
  )
}

const WHOLE = 20_000

async function throughQueue(watched: boolean): Promise<number> {
  const telemetry = watched ? createTelemetry() : undefined
  const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', ...(telemetry && { telemetry }) })
  const consumer = new LeveledConsumer(queue, () => undefined, { concurrency: 64 })
  const tasks = Array.from({ length: WHOLE }, (_, n) => ({ type: `type-${n % 5}`, payload: n }))
  let left = WHOLE
  const done = new Promise<void>((resolve) => {
    consumer.on('completed', () => {
      if (--left === 0) resolve()
    })
  })
  const spent = await cpu(WHOLE, async () => {
    await queue.enqueueMany(tasks)
    await consumer.start()
    await done
  })
  await consumer.stop()
  await queue.close()
  telemetry?.close()
  return spent
}

const rows = [
  await decorator(1),
  await decorator(32),
  await events(5),
  await events(500),
  await compare(
    `whole, ${WHOLE.toLocaleString('en')} tasks`,
    () => throughQueue(false),
    () => throughQueue(true),
  ),
]
console.table(rows)
