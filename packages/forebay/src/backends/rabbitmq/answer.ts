/** Waiting for the server, but not for ever: one that is alive and stuck (a queue without a majority) never answers. */

import type { Channel } from 'rabbitmq-client'
import type { CancelTimer, Clock } from '../../clock.ts'

/** Longer than two heartbeats of silence, so that a connection that is dead is told first. */
export const ANSWER_MS = 30_000

/** Resolves as `work` does; rejects if that takes longer than any answer should. */
export function within<T>(clock: Clock, work: Promise<T>, ms = ANSWER_MS): Promise<T> {
  let cancel: CancelTimer = () => {}
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`no answer within ${ms / 1_000} s`)
    cancel = clock.after(ms, () => reject(error), { background: true })
  })
  return Promise.race([work, late]).finally(() => cancel())
}

/** The client tells of messages one turn of the event loop after it has read them: afterwards all have been told. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A quorum queue that could not be counted within 250 ms is said to be empty, with nobody at it. */
const COUNTED_MS = 240
const MOST_COUNTS = 8

/** How many messages of a queue the server has not given out. It has given out by then what it was asked for before. */
export async function countReady(channel: Channel, queue: string, clock: Clock): Promise<number> {
  for (let counts = 1; ; counts++) {
    const asked = clock.monotonic()
    const { messageCount, consumerCount } = await within(clock, channel.queueDeclare({ queue, passive: true }))
    const isDoubtful = messageCount + consumerCount === 0 && clock.monotonic() - asked >= COUNTED_MS
    if (!isDoubtful || counts === MOST_COUNTS) return messageCount
  }
}
