/** A new stream of tasks gets its anchor before its first task, and nobody who waits for tasks has to be bothered with it. */

import type { Clock } from '../../clock.ts'
import type { Delivery } from './jetstream.ts'
import { callForMessages } from './message-call.ts'
import type { Store } from './store.ts'
import { decodeRecord } from './task-record.ts'

/** It is there already. */
const WAIT_MS = 50

export async function anchorNewStream(store: Store, clock: Clock): Promise<void> {
  if (!(await store.haveAnchor())) return
  const handling: Promise<void>[] = []
  const handle = async ({ data, ackSubject }: Delivery) => {
    const isAnchor = decodeRecord(data).kind === 'anchor'
    await (isAnchor ? store.finish(ackSubject) : store.giveBack(ackSubject))
  }
  await callForMessages({
    batch: 1,
    waitMs: WAIT_MS,
    clock,
    pull: (batch, waitMs, listener) => store.pullReady(batch, waitMs, listener),
    onDelivery: (delivery) => handling.push(handle(delivery)),
  })
  await Promise.all(handling)
}
