/**
 * The worker's side of a pool: runs a consumer, tells the pool of its work, and ends in order when it is asked to (SIGTERM, SIGINT, or
 * the pool's process is gone): it takes no more tasks, and finishes those that run. The queue is the caller's to close.
 */

import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import { ConsumerWork } from './consumer-work.ts'
import { type WorkerMessage, workMessage } from './worker-messages.ts'

/** How often a worker tells of its work. */
const TELL_EVERY_MS = 500

export interface PoolWorkerOptions {
  /** How long tasks may run on after it is asked to end, ms; then they are released. Default 600,000. */
  readonly graceMs?: number
}

/** Works until it is asked to end; resolves when nothing is left of it. Outside a pool it does the same, and tells nobody. */
export async function workInPool<Types extends TaskTypes>(
  queue: LoadLevelingQueue<Types>,
  consumer: LeveledConsumer<Types>,
  { graceMs = 600_000 }: PoolWorkerOptions = {},
): Promise<void> {
  const work = new ConsumerWork(consumer)
  const asked = askedToEnd()
  let cancel = () => {}
  const tellAgain = () => {
    tell(workMessage(work.seen))
    cancel = queue.clock.after(TELL_EVERY_MS, tellAgain, { background: true })
  }
  try {
    await consumer.start()
    tell({ forebay: 'ready' })
    tellAgain()
    await asked.signal
    await consumer.stop({ graceMs })
    tell(workMessage(work.seen))
  } finally {
    cancel()
    asked.off()
    // The channel would keep the process alive.
    if (process.connected) process.disconnect()
  }
}

function tell(message: WorkerMessage): void {
  // A pool that is gone meanwhile needs not be told; that it is gone ends this process as well.
  if (process.connected) process.send?.(message, () => {})
}

function askedToEnd(): { readonly signal: Promise<void>; off(): void } {
  let end = () => {}
  const promise = new Promise<void>((resolve) => {
    end = resolve
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end)
  process.once('disconnect', end)
  return {
    signal: promise,
    off: () => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, end)
      process.off('disconnect', end)
    },
  }
}
