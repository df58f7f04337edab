/** A message that is with us until it is acknowledged, given back, or its channel closes. */

import type { AsyncMessage, Channel } from 'rabbitmq-client'
import { bodyOf, foreignLetter, type Letter, letterOf, type Outgoing, progressOf, timesGiven } from './message.ts'

/** What messages come by: opened for so many, and cancelled with the last of them. */
export interface Consumer {
  readonly tag: string
  /** How many messages it may still bring. */
  left: number
  /** Set when it was cancelled; resolves when the server knows. */
  closed: Promise<void> | undefined
}

export interface Delivery {
  readonly channel: Channel
  readonly tag: number
  readonly consumer: Consumer
  readonly letter: Letter
  /** Before this delivery. */
  readonly attempts: number
  readonly readyAt: number
  readonly rank: number | undefined
  /** By the monotonic clock. */
  readonly arrivedAt: number
  /** `foreign`: none of ours. `uncounted`: the server knows that it gave it out before, and not how often. */
  readonly kind: 'task' | 'foreign' | 'uncounted'
}

/** @param stamp Names what has no name. */
export function deliveryOf(
  message: AsyncMessage,
  by: { readonly channel: Channel; readonly consumer: Consumer },
  at: { readonly now: number; readonly monotonic: number; readonly stamp: () => string },
): Delivery {
  const { attempts, readyAt } = progressOf(message)
  const given = timesGiven(message)
  const letter = letterOf(message)
  return {
    ...by,
    tag: message.deliveryTag,
    letter: letter ?? foreignLetter(message, at.stamp(), at.now),
    attempts: attempts + (given ?? 1),
    readyAt,
    rank: message.priority,
    arrivedAt: at.monotonic,
    kind: letter === undefined ? 'foreign' : given === undefined ? 'uncounted' : 'task',
  }
}

/** Acknowledges a delivery, or lets the server give it out again. False if it was lost with its channel. */
export async function finish(
  { channel, tag: deliveryTag, consumer }: Delivery,
  how: 'ack' | 'requeue',
): Promise<boolean> {
  // A consumer that is being cancelled must not be owed more by this before the server knows.
  if (consumer.closed) await consumer.closed
  if (!channel.active) return false
  if (!consumer.closed) consumer.left++
  if (how === 'ack') channel.basicAck({ deliveryTag })
  else channel.basicNack({ deliveryTag, requeue: true })
  return true
}

/** The same task for another queue, with as many attempts as are said. */
export function copyOf(delivery: Delivery, queue: string, attempts: number, more: Partial<Outgoing> = {}): Outgoing {
  const { letter, readyAt, rank } = delivery
  const { id } = letter.record
  return {
    queue,
    body: more.body ?? bodyOf(letter),
    id,
    attempts,
    readyAt,
    leftMs: 0,
    ...(rank !== undefined && { rank }),
    ...more,
  }
}
