/** The two acts of the demo: the same load, first straight at the fragile service, then through the gateway. */

import { systemClock } from '../packages/forebay/src/clock.ts'
import { systemRandom } from '../packages/forebay/src/random.ts'
import { gatewayDoor, targetDoor } from '../packages/forebay/src/replay/doors.ts'
import { judgeDownstream } from '../packages/forebay/src/replay/downstream.ts'
import type { LoadProgress } from '../packages/forebay/src/replay/load.ts'
import { gatewayProbe, type QueueState } from '../packages/forebay/src/replay/queue-probe.ts'
import { type Replay, replayAtTarget, replayThroughQueue } from '../packages/forebay/src/replay/run-replay.ts'
import type { FragileService, Gateway } from './stage.ts'

/** How long the demo's users wait for an answer. */
export const PATIENCE_MS = 2_000

export interface Act {
  readonly dueMs: Float64Array
  readonly rate: number
  readonly signal: AbortSignal
  readonly onChange: (progress: LoadProgress) => void
}

export async function playDirect(act: Act, service: FragileService): Promise<Replay> {
  const run = newRun()
  const door = targetDoor(service.url, run, systemClock)
  const load = { clock: systemClock, timeoutMs: PATIENCE_MS, signal: act.signal, onChange: act.onChange }
  const downstream = judgeDownstream(service.arrivals, run)
  try {
    return await replayAtTarget({ ...act, door: door.knock, downstream, load })
  } finally {
    await door.close()
  }
}

export async function playLeveled(
  act: Act & { readonly onState: (state: QueueState) => void },
  service: FragileService,
  gateway: Gateway,
): Promise<Replay> {
  const run = newRun()
  const door = gatewayDoor(gateway.queue, run, systemClock)
  // A producer that sends again what had no answer: the same id, so that it never becomes two tasks.
  const load = { clock: systemClock, retry: true, signal: act.signal, onChange: act.onChange }
  const downstream = judgeDownstream(service.arrivals, run)
  try {
    return await replayThroughQueue({ ...act, door: door.knock, downstream, probe: gatewayProbe(gateway.queue), load })
  } finally {
    await door.close()
  }
}

/**
 * Sends a second's worth of tasks that nobody counts through gateway and service: the first requests of any process load
 * and compile its code, and the demo is not about that.
 */
export async function warmUp(rate: number, gateway: Gateway, signal: AbortSignal): Promise<void> {
  const door = gatewayDoor(gateway.queue, 'warmup', systemClock)
  const probe = gatewayProbe(gateway.queue)
  const dueMs = Float64Array.from({ length: Math.ceil(rate) }, (_, index) => (index * 500) / rate)
  try {
    await replayThroughQueue({
      dueMs,
      rate,
      door: door.knock,
      downstream: undefined,
      probe,
      load: { clock: systemClock, signal },
    })
  } finally {
    await door.close()
  }
}

function newRun(): string {
  return Buffer.from(systemRandom.bytes(4)).toString('hex')
}
