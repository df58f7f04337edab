/** How many tasks there are, by what the server counts. */

import { READY } from './queue-names.ts'
import type { StreamEnd } from './stream-end.ts'
import type { StreamInfo, Streams } from './streams.ts'

export interface Counts {
  readonly live: number
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  readonly bytes: number
  /** Versions from this sequence on were not yet handed to anybody. */
  readonly nextReady: number
  /** Versions up to this one are done with, for the consumer. */
  readonly doneUpTo: number
}

/**
 * How many tasks there are in each state, and the bytes that they take in the store. Each task and each note has a subject of
 * its own, and so has the anchor (stream-end.ts). Subjects are counted and not messages: of these a server of 2.9 that was killed
 * counts some that are deleted.
 */
export async function countTasks(streams: Streams, tasksEnd: StreamEnd, laterEnd: StreamEnd): Promise<Counts> {
  const [tasks, tasksAnchors, later, laterAnchors, dead, consumer] = await Promise.all([
    streams.info(tasksEnd.stream),
    tasksEnd.anchors(),
    streams.info(laterEnd.stream),
    laterEnd.anchors(),
    streams.info(streams.names.deadStream),
    streams.consumerInfo(tasksEnd.stream, READY),
  ])
  const deadLetters = subjectsOf(dead)
  // They are not of one moment, and a crash of the server may leave the consumer with more than there is.
  const live = Math.max(0, subjectsOf(tasks) - tasksAnchors - deadLetters)
  const delayed = Math.min(Math.max(0, subjectsOf(later) - laterAnchors), live)
  const inFlight = Math.min(consumer.num_ack_pending, live - delayed)
  return {
    live,
    ready: live - delayed - inFlight,
    delayed,
    inFlight,
    dead: deadLetters,
    bytes: tasks.state.bytes,
    nextReady: consumer.delivered.stream_seq + 1,
    doneUpTo: consumer.ack_floor.stream_seq,
  }
}

function subjectsOf({ state }: StreamInfo): number {
  return state.num_subjects ?? 0
}
