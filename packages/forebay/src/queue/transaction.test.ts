import { expect, test } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import type { Bounds, NewTask, QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'

interface Pushed {
  readonly ids: string[]
  readonly bounds: Bounds | undefined
  readonly transaction: unknown
}

/** A backend that notes what it was handed with which transaction. */
function transactional(clock: VirtualClock): { readonly service: QueueService; readonly pushed: Pushed[] } {
  const memory = openMemory({ clock })
  const pushed: Pushed[] = []
  const push = (tasks: readonly NewTask[], bounds?: Bounds, transaction?: unknown) => {
    pushed.push({ ids: tasks.map(({ id }) => id), bounds, transaction })
    return memory.push(tasks, bounds)
  }
  const capabilities = { ...memory.capabilities, transactions: true }
  const service = new Proxy(memory, {
    get(target, name) {
      if (name === 'push') return push
      if (name === 'capabilities') return capabilities
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { service, pushed }
}

const task = (id: string) => ({ type: 'charge', payload: 1, id })

test('without transactions of the backend the task is refused, and nothing is stored', async () => {
  const queue = await LoadLevelingQueue.open(openMemory())
  await expect(queue.enqueue(task('a'), { transaction: {} })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    path: 'transaction',
  })
  expect((await queue.depth()).ready).toBe(0)
  await queue.close()
})

test('tasks of one transaction go together, and never with those of others', async () => {
  const { service, pushed } = transactional(new VirtualClock())
  const queue = await LoadLevelingQueue.open(service)
  const [mine, yours] = [{ name: 'mine' }, { name: 'yours' }]
  await Promise.all([
    queue.enqueue(task('a')),
    queue.enqueueMany([task('b'), task('c')], { transaction: mine }),
    queue.enqueue(task('d'), { transaction: yours }),
    queue.enqueue(task('e')),
  ])
  expect(pushed.map(({ ids, transaction }) => [ids, transaction]).sort()).toEqual([
    [['a', 'e'], undefined],
    [['b', 'c'], mine],
    [['d'], yours],
  ])
  await queue.close()
})

test.each(['reject', { policy: 'wait', deadlineMs: 60_000 }] as const)(
  'what does not fit is refused at once, also where others wait: %j',
  async (overflow) => {
    const { service } = transactional(new VirtualClock())
    const queue = await LoadLevelingQueue.open(service, { maxDepth: 1, overflow, clock: new VirtualClock() })
    const [first, second, third] = await queue.enqueueMany([task('a'), task('b'), task('a')], { transaction: {} })
    expect([first?.status, second?.status, third?.status]).toEqual(['accepted', 'refused', 'duplicate'])
    expect(second).toMatchObject({ error: { code: 'QUEUE_FULL' } })
    await queue.close()
  },
)
