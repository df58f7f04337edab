import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'
import { mostInWindow } from '../../packages/forebay/src/replay/figures.ts'

const PROGRAM = fileURLToPath(new URL('./consumer.process.ts', import.meta.url))

interface Consumer {
  readonly process: ChildProcess
  readonly starts: number[]
  /** A second. */
  reservations: number
}

function startConsumer(url: string, perSecond: number): Consumer {
  const child = spawn(process.execPath, [PROGRAM, url, String(perSecond)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const consumer: Consumer = { process: child, starts: [], reservations: 0 }
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('reservations ')) consumer.reservations = Number(line.slice(13))
      else consumer.starts.push(Number(line))
    }
  })
  return consumer
}

/** Long enough that what one process takes with it when it is killed is far below a hundredth of the whole. */
const MEASURED_MS = 10_000

const redis = haveRedis('a rate that is shared through Redis') ? [['redis', 200] as const] : []

it.each([['sqlite', 200] as const, ['sqlite', 1_000] as const, ...redis])(
  'four processes that share one queue (%s) keep one rate of %d/s, also while one is killed and another joins',
  { timeout: 60_000 },
  async (engine, rate) => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-rate-'))
    const server = engine === 'redis' ? await RedisServer.start(folder) : undefined
    const url = server?.url ?? `sqlite:${join(folder, 'q.db')}`
    const queue = await LoadLevelingQueue.open(url)
    try {
      const backlog = (rate * (MEASURED_MS + 5_000)) / 1_000
      await queue.enqueueMany(Array.from({ length: backlog }, (_, payload) => ({ type: 't', payload })))
      const consumers = [1, 2, 3, 4].map(() => startConsumer(url, rate))
      while (consumers.some(({ starts }) => starts.length === 0)) await sleep(systemClock, 10)
      const from = systemClock.monotonic()
      await sleep(systemClock, MEASURED_MS / 3)
      consumers[0]?.process.kill('SIGKILL')
      consumers.push(startConsumer(url, rate))
      await sleep(systemClock, (2 * MEASURED_MS) / 3)
      const until = systemClock.monotonic()
      const living = consumers.slice(1)
      await Promise.all(
        living.map(({ process: child }) => {
          child.kill('SIGTERM')
          return once(child, 'close')
        }),
      )
      const starts = consumers.flatMap((consumer) => consumer.starts).sort((a, b) => a - b)
      const mean = (starts.filter((at) => at >= from && at < until).length * 1_000) / (until - from)
      expect(mostInWindow(starts, 1_000)).toBeLessThanOrEqual(1.02 * rate + 4)
      expect(mean).toBeLessThan(1.01 * rate)
      expect(mean).toBeGreaterThan(0.99 * rate)
      for (const { starts: own } of living) expect(own.length).toBeGreaterThan(0)
      for (const { reservations } of living) expect(reservations).toBeLessThan(10)
    } finally {
      await queue.close()
      await server?.stop()
      await rm(folder, { recursive: true })
    }
  },
)
