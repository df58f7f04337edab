/** Processes that run the same recurrence on one queue, each with a clock of its own if it shall have one, in virtual time. */

import { type Clock, VirtualClock } from '../../packages/forebay/src/clock.ts'
import type { NewTask, PushResult, QueueService } from '../../packages/forebay/src/backends/queue-service.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { recurring, type RecurringOptions } from '../../packages/forebay/src/queue/recurring.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

export const MIDNIGHT = Date.UTC(2026, 0, 1)
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** A process's own idea of the time, which may be wrong and may be set. */
export class SetClock implements Clock {
  readonly #true: VirtualClock
  aheadMs: number
  constructor(trueClock: VirtualClock, aheadMs = 0) {
    this.#true = trueClock
    this.aheadMs = aheadMs
  }
  now(): number {
    return this.#true.now() + this.aheadMs
  }
  monotonic(): number {
    return this.#true.monotonic()
  }
  after(delayMs: number, fire: () => void) {
    return this.#true.after(delayMs, fire)
  }
}

export type Options = Partial<RecurringOptions> & { readonly capabilities?: object; readonly clock?: Clock }

export async function house(epoch = MIDNIGHT) {
  const clock = new VirtualClock(epoch)
  const first = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const { service } = first
  const pushed: string[] = []
  const push = service.push.bind(service)
  service.push = async (tasks: readonly NewTask[], ...rest): Promise<PushResult[]> => {
    const results = await push(tasks, ...rest)
    results.forEach((result, index) => {
      if (result.status === 'accepted') pushed.push((tasks[index] as NewTask).id.split('@')[1] as string)
    })
    return results
  }
  const told: string[] = []
  /** One more process with this recurrence, with a clock of its own if it shall have one. */
  const process = async ({ capabilities, clock: own = clock, ...options }: Options = {}) => {
    const view = capabilities ? viewOf(service, { ...service.capabilities, ...capabilities }) : service
    const queue = await LoadLevelingQueue.open(view, { clock: own, random: seededRandom(2) })
    const random = seededRandom(3)
    const settings = {
      name: 'nightly',
      cron: '0 0 * * *',
      task: () => ({ type: 'report', payload: 1 }),
      random,
      ...options,
    }
    const recurrence = recurring(queue, settings)
    recurrence.on('fired', ({ tick, status }) => told.push(`${iso(tick.at)} ${tick.missed ? 'made up ' : ''}${status}`))
    recurrence.on('missed', ({ at }) => told.push(`${iso(at)} missed`))
    recurrence.on('error', ({ tick, error, retryInMs }) => {
      told.push(`${iso(tick.at)} ${error.code}${retryInMs === undefined ? ' given up' : ''}`)
    })
    return recurrence
  }
  return { clock, service, pushed, told, process }
}

function viewOf(service: QueueService, capabilities: QueueService['capabilities']): QueueService {
  return new Proxy(service, {
    get: (target, key) => {
      if (key === 'capabilities') return capabilities
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const iso = (at: number) => new Date(at).toISOString().slice(0, 16)
export const days = (...numbers: number[]) => numbers.map((day) => new Date(MIDNIGHT + (day - 1) * DAY).toISOString())
