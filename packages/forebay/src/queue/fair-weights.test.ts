import { describe, expect, it } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import type { NewTask, QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import type { Fair } from './fair-weights.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'

/** A backend that remembers what it was given. */
function backend(fairness: boolean): { service: QueueService; pushed: NewTask[] } {
  const memory = openMemory({ clock: new VirtualClock() })
  const pushed: NewTask[] = []
  const service = Object.create(memory, {
    capabilities: { value: { ...memory.capabilities, fairness } },
    push: {
      value: (tasks: readonly NewTask[], ...rest: []) => {
        pushed.push(...tasks)
        return memory.push(tasks, ...rest)
      },
    },
    depth: { value: () => memory.depth() },
  }) as QueueService
  return { service, pushed }
}

async function weights(fair: Fair | undefined, fairness = true): Promise<(number | undefined)[]> {
  const { service, pushed } = backend(fairness)
  const queue = await LoadLevelingQueue.open(service, fair === undefined ? {} : { fair })
  await queue.enqueueMany(
    ['a', 'big', 'constructor', undefined].map((key) => ({ type: 't', payload: 1, ...(key && { key }) })),
  )
  return pushed.map(({ weight }) => weight)
}

const fault = (fair: unknown, fairness = true) =>
  weights(fair as Fair, fairness).then(
    () => 'opened',
    ({ code, path }: ForebayError) => `${code} ${path}`,
  )

describe('fair shares', () => {
  it('gives each key a line of weight 1 where the backend can, and the others none', async () => {
    expect(await weights(undefined)).toEqual([1, 1, 1, undefined])
    expect(await weights(true)).toEqual([1, 1, 1, undefined])
    expect(await weights(undefined, false)).toEqual([undefined, undefined, undefined, undefined])
  })

  it('weighs the keys that are named', async () => {
    expect(await weights({ weights: { big: 20 } })).toEqual([1, 20, 1, undefined])
  })

  it('keeps all in one line if it is told to, also where the backend could do better', async () => {
    expect(await weights(false)).toEqual([undefined, undefined, undefined, undefined])
    expect(await weights(false, false)).toEqual([undefined, undefined, undefined, undefined])
  })

  it.each<[string, unknown, string]>([
    ['a weight of nothing', { weights: { a: 0 } }, 'INVALID_OPTION fair.weights'],
    ['a weight without bounds', { weights: { a: Number.POSITIVE_INFINITY } }, 'INVALID_OPTION fair.weights'],
    ['a weight that is a text', { weights: { a: '2' } }, 'INVALID_OPTION fair.weights'],
    ['no weights', {}, 'INVALID_OPTION fair'],
    ['a list', { weights: [1] }, 'INVALID_OPTION fair'],
    ['null', null, 'INVALID_OPTION fair'],
    ['a text', 'yes', 'INVALID_OPTION fair'],
  ])('refuses %s', async (_, fair, expected) => {
    expect(await fault(fair)).toBe(expected)
  })

  it('refuses a wish that the backend cannot keep, when the queue is opened', async () => {
    expect(await fault(true, false)).toBe('UNSUPPORTED fair')
    expect(await fault({ weights: {} }, false)).toBe('UNSUPPORTED fair')
  })

  it('estimates the start of a task at its place among the keys', async () => {
    const clock = new VirtualClock()
    const queue = await LoadLevelingQueue.open('memory:', { clock, expectedPerSecond: 10 })
    await queue.enqueueMany(Array.from({ length: 100 }, () => ({ type: 't', payload: 1, key: 'busy' })))
    const [busy, quiet] = [await queue.estimate({ key: 'busy' }), await queue.estimate({ key: 'quiet' })]
    expect(busy?.startsInMs).toBeGreaterThan(5_000)
    expect(quiet?.startsInMs).toBeLessThan(1_000)
    await queue.close()
  })
})
