import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const PROGRAM = fileURLToPath(new URL('./ticker.process.ts', import.meta.url))

interface Ticker {
  readonly process: ChildProcess
  readonly answers: { readonly at: number; readonly status: string }[]
}

function startTicker(file: string): Ticker {
  const child = spawn(process.execPath, [PROGRAM, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ticker: Ticker = { process: child, answers: [] }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.trim().split('\n')) {
      const [at, status = ''] = line.split(' ')
      ticker.answers.push({ at: Number(at), status })
    }
  })
  return ticker
}

it('processes with the same recurrence on one SQLite file enqueue each tick once, also while one is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-recurring-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'q.db')
  const tickers = [1, 2, 3].map(() => startTicker(file))
  while (tickers.some(({ answers }) => answers.length === 0)) await sleep(systemClock, 20)
  const from = Math.max(...tickers.map(({ answers }) => answers[0]?.at ?? 0))
  await sleep(systemClock, 2_300)
  tickers[0]?.process.kill('SIGKILL')
  await sleep(systemClock, 3_000)
  const living = tickers.slice(1)
  for (const { process: child } of living) child.kill('SIGTERM')
  await Promise.all(living.map(({ process: child }) => once(child, 'close')))
  const until = Math.min(...living.map(({ answers }) => answers.at(-1)?.at ?? 0))

  const queue = await LoadLevelingQueue.open(`sqlite:${file}`)
  const claims = await queue.service.claim({ max: 100, leaseMs: 1_000, waitMs: 0 })
  await queue.close()
  const ticks = claims.map(({ task }) => (JSON.parse(task.payload) as { at: number }).at).sort((a, b) => a - b)
  const whole = Array.from({ length: (until - from) / 1_000 + 1 }, (_, n) => from + n * 1_000)
  expect(whole.length).toBeGreaterThanOrEqual(5)
  expect(ticks.filter((at) => at >= from && at <= until)).toEqual(whole)
  const accepted = tickers.flatMap(({ answers }) => answers.filter(({ status }) => status === 'accepted'))
  expect(new Set(accepted.map(({ at }) => at)).size).toBe(accepted.length)
})
