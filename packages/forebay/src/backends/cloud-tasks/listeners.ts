/** The receivers that URLs name: all queues of this process that listen at the same place share one. */

import type { Clock } from '../../clock.ts'
import { openReceiver, type Receiver } from './receiver.ts'

interface Shared {
  readonly receiver: Promise<Receiver>
  users: number
}

const SHARED = new Map<string, Shared>()

export interface Lent {
  readonly receiver: Receiver
  /** The last one who lets go closes it. */
  letGo(): Promise<void>
}

/** @throws ForebayError `ADDRESS_IN_USE` */
export async function receiverAt(
  listen: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<Lent> {
  const place = `${listen.host}:${listen.port}`
  const shared = SHARED.get(place) ?? { receiver: openReceiver({ listen, clock }), users: 0 }
  SHARED.set(place, shared)
  shared.users++
  const letGo = async () => {
    if (--shared.users > 0) return
    SHARED.delete(place)
    const receiver = await shared.receiver.catch(() => undefined)
    await receiver?.close()
  }
  try {
    return { receiver: await shared.receiver, letGo }
  } catch (thrown) {
    await letGo()
    throw thrown
  }
}
