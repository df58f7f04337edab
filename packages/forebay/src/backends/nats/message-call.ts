/**
 * One call for messages to a consumer: it waits for the first, brings what there is, and ends. The server says when that is;
 * but it forgets without a word a call that runs out while it is being answered, so silence ends one too. And it may end one
 * before it has brought all that there is.
 */

import type { Msg } from '@nats-io/transport-node'
import type { Clock } from '../../clock.ts'
import { type Delivery, deliveryOf } from './jetstream.ts'
import { NobodyListens } from './nats-errors.ts'
import type { Listener } from './request-desk.ts'

/** Silent for so long after its time, a call is over. */
const SILENCE_MS = 100

export interface EndedCall {
  readonly brought: number
  /** `full`: as many as were asked for; `end`: there is no more now; `early`, `silent`: there may be; `refused`: call again. */
  readonly why: 'full' | 'end' | 'early' | 'silent' | 'refused'
}

export interface MessageCall {
  readonly batch: number
  readonly waitMs: number
  readonly clock: Clock
  /** Asks the server. */
  readonly pull: (batch: number, waitMs: number, listener: Listener) => { end(): void }
  readonly onDelivery: (delivery: Delivery) => void
  /** Ends it early. */
  readonly signal?: AbortSignal
}

/** @throws ForebayError `BACKEND_UNAVAILABLE`; NobodyListens. */
export async function callForMessages(call: MessageCall): Promise<EndedCall> {
  const { batch, waitMs, clock, pull, onDelivery, signal } = call
  let brought = 0
  let left = 0
  let quietFrom = clock.monotonic() + waitMs
  let cancelTimer = () => {}
  let end = () => {}
  try {
    const why = await new Promise<EndedCall['why']>((resolve, reject) => {
      const listen = () => {
        const leftMs = quietFrom + SILENCE_MS - clock.monotonic()
        if (leftMs <= 0) resolve('silent')
        else cancelTimer = clock.after(leftMs, listen, { background: true })
      }
      const onMessage = (message: Msg) => {
        const delivery = deliveryOf(message)
        if (!delivery) return endedBy(message, resolve, reject)
        left = delivery.left
        quietFrom = Math.max(quietFrom, clock.monotonic())
        onDelivery(delivery)
        if (++brought === batch) resolve('full')
      }
      signal?.addEventListener('abort', () => resolve('end'), { once: true })
      end = pull(batch, waitMs, { onMessage, onLost: reject }).end
      listen()
    })
    return { brought, why: why === 'end' && left > 0 ? 'early' : why }
  } finally {
    cancelTimer()
    end()
  }
}

/** What the consumer says of the call itself. */
function endedBy(message: Msg, resolve: (why: EndedCall['why']) => void, reject: (thrown: unknown) => void): void {
  const code = message.headers?.code
  const says = message.headers?.description ?? ''
  if (code === 503 || (code === 409 && /deleted/i.test(says)))
    reject(new NobodyListens(`The consumer is gone: ${says}`))
  else resolve(code === 409 || /pending/i.test(says) ? 'refused' : 'end')
}
