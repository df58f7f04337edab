/**
 * Measures one limiter at one rate, in this process alone: `node measure.ts '{...Order}'` prints a Recording.
 *
 * A second of warming up is not recorded. The measured time goes from one start to the first start that comes `seconds` later.
 */

import { CANDIDATES, type Limiter } from './limiter.ts'
import type { Recording } from './figures.ts'

export interface Order {
  readonly name: string
  readonly perSecond: number
  readonly seconds: number
  /** Blocks the event loop for so long, halfway. */
  readonly blockMs: number
  readonly redisPort: number | undefined
  readonly folder: string
}

const WARM_UP_MS = 1_000
/** A limiter that starts nothing for so long after the measured time, or before the first start, has stalled. */
const STALLED_MS = 5_000

const nowMs = () => Number(process.hrtime.bigint()) / 1e6
const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function block(ms: number): void {
  const end = nowMs() + ms
  while (nowMs() < end);
}

/** Resolves when the measured time is over. */
function record({ perSecond, seconds, blockMs }: Order, run: (task: () => void) => Promise<void>): Promise<Recording> {
  const starts: number[] = []
  let beganAt: number | undefined
  let cpuBefore = 0
  let measuring = true
  return new Promise((resolve, reject) => {
    let stalled: NodeJS.Timeout | undefined
    const end = (endedAt: number) => {
      if (!measuring) return
      measuring = false
      clearTimeout(stalled)
      resolve({ perSecond, starts, endedAt, cpuMs: cpuMs() - cpuBefore })
    }
    const task = () => {
      if (!measuring) return
      const now = nowMs()
      beganAt ??= now
      if (now < beganAt + WARM_UP_MS) return
      const first = starts[0]
      if (first === undefined) {
        cpuBefore = cpuMs()
        if (blockMs > 0) setTimeout(() => block(blockMs), (seconds * 1_000) / 2)
        stalled = setTimeout(() => end(nowMs()), seconds * 1_000 + STALLED_MS)
      } else if (now >= first + seconds * 1_000) return end(now)
      starts.push(now)
    }
    run(task).catch(reject)
  })
}

const order = JSON.parse(process.argv[2] as string) as Order
const candidate = CANDIDATES.find(({ name }) => name === order.name)
if (!candidate) throw new Error(`No limiter has the name ${order.name}.`)
const { limiters } = (await import(candidate.module)) as { limiters: Record<string, Limiter> }
const limiter = limiters[order.name] as Limiter
const { perSecond, seconds, redisPort, folder } = order
const backlog = Math.ceil(perSecond * (seconds + WARM_UP_MS / 1_000 + 1) * 1.1) + 10
const recording = await record(order, (task) => limiter.start({ perSecond, backlog, redisPort, folder, task }))
process.stdout.write(JSON.stringify(recording), () => process.exit(0))
