/**
 * Plays a trace through the real queue and the real consumer on a virtual clock, asks for an estimate with each task, and
 * writes down when each really started.
 */

import { sleep, VirtualClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../../packages/forebay/src/consumer/options.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../../packages/forebay/src/queue/task-types.ts'
import type { QueueOptions } from '../../packages/forebay/src/queue/options.ts'
import { type RandomSource, seededRandom } from '../../packages/forebay/src/random.ts'
import { readTrace } from '../../packages/forebay/src/replay/trace.ts'
import type { TaskInput } from '../../packages/forebay/src/task.ts'

const TRACE = new URL('../../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

/** As in the demo: ten minutes in twenty-five seconds. */
const SPEED = 24

export interface Played {
  readonly id: string
  readonly task: TaskInput
  /** Since it was enqueued, ms. Undefined: no estimate was given. */
  readonly toldMs: number | undefined
  readonly startedMs: number
}

export interface Scene {
  readonly consumer: ConsumerOptions
  readonly queue?: QueueOptions<AnyTaskTypes>
  /** How long an attempt takes, ms. */
  readonly serviceMs: (random: RandomSource) => number
  /** What the n-th request is enqueued as. */
  readonly task?: (n: number, random: RandomSource) => Partial<TaskInput>
}

export async function play(scene: Scene): Promise<Played[]> {
  const clock = new VirtualClock()
  const random = seededRandom(1995)
  const { arrivalsMs } = await readTrace(TRACE, { speed: SPEED })
  const queue = await LoadLevelingQueue.open('memory:', { clock, random, ...scene.queue })
  const consumer = new LeveledConsumer(queue, (_task, { signal }) => sleep(clock, scene.serviceMs(random), signal), {
    random,
    ...scene.consumer,
  })
  const enqueued = new Map<
    string,
    { readonly at: number; readonly task: TaskInput; readonly toldMs: number | undefined }
  >()
  const played: Played[] = []
  consumer.on('started', ({ task: { id } }) => {
    const { at, ...rest } = enqueued.get(id) as NonNullable<ReturnType<typeof enqueued.get>>
    played.push({ id, ...rest, startedMs: clock.monotonic() - at })
  })
  const arrive = async (n: number) => {
    const id = String(n)
    const task = { type: 'request', payload: n, id, ...scene.task?.(n, random) }
    const at = clock.monotonic()
    // Known before the answer: one that starts at once may start before it.
    enqueued.set(id, { at, task, toldMs: undefined })
    const { estimate } = await queue.enqueue(task, { estimate: true })
    const one = { at, task, toldMs: estimate?.startsInMs }
    const index = played.findIndex((other) => other.id === id)
    if (index >= 0) played[index] = { ...(played[index] as Played), toldMs: one.toldMs }
    else enqueued.set(id, one)
  }
  for (const [n, atMs] of arrivalsMs.entries()) clock.after(atMs, () => void arrive(n))
  await consumer.start()
  while (played.length < arrivalsMs.length) await clock.advance(1_000)
  await Promise.all([consumer.stop(), clock.advance(60_000)])
  await queue.close()
  return played
}

/** The share of the estimates that lie within 10% and a second of what happened. */
export function shareWithin(played: readonly Played[]): number {
  const near = played.filter(
    ({ toldMs, startedMs }) => toldMs !== undefined && Math.abs(toldMs - startedMs) <= 0.1 * startedMs + 1_000,
  )
  return near.length / played.length
}
