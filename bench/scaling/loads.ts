/** What the policies are simulated on: recorded days, and days that a seeded generator makes, which no policy was written with. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type RandomSource, seededRandom } from '../../packages/forebay/src/random.ts'

export interface Load {
  /** When each task comes, seconds, never falling. */
  readonly at: Float64Array
  /** The service time of each, seconds. */
  readonly service: (task: number) => number
  /** The sum of all service times, seconds. */
  readonly work: number
}

const TRACES = join(import.meta.dirname, '../traces')

function rowsOf(file: string): string[][] {
  const text = gunzipSync(readFileSync(join(TRACES, `${file}.csv.gz`))).toString()
  const rows = text.trim().split('\n').slice(1)
  return rows.map((row) => row.split(','))
}

/** So many tasks in each second, spread evenly within it. */
export function fromCounts(counts: readonly number[], serviceSeconds: number): Load {
  const at = new Float64Array(counts.reduce((sum, count) => sum + count, 0))
  let task = 0
  counts.forEach((count, second) => {
    for (let index = 0; index < count; index++) at[task++] = second + index / count
  })
  return { at, service: () => serviceSeconds, work: at.length * serviceSeconds }
}

/** The NASA day, each request `times` over, 100 ms each. */
export function nasaDay(times: number): Load {
  return fromCounts(
    rowsOf('nasa-http-1995-07-13').map(([, requests]) => Number(requests) * times),
    0.1,
  )
}

/** An hour of a language model's requests: a worker writes one answer at a time, `tokensPerSecond` of it a second. */
export function languageModelHour(tokensPerSecond: number): Load {
  const rows = rowsOf('azure-llm-code-2023')
  const times = rows.map(([time = '']) => Date.parse(`${time.slice(0, 23).replace(' ', 'T')}Z`) / 1_000)
  const services = rows.map(([, , tokens]) => Number(tokens) / tokensPerSecond)
  const first = times[0] as number
  return {
    at: Float64Array.from(times, (time) => time - first),
    service: (task) => services[task] as number,
    work: services.reduce((sum, service) => sum + service, 0),
  }
}

/**
 * A day by chance: a daily wave with its peak in the afternoon, a random walk about it (a third up or down, memory 20 minutes), eight
 * crowds that come within a minute, bring one to four times the mean, and are gone after some ten minutes. Tasks of 200 ms.
 */
export function drawnDay(seed: number, meanPerSecond: number): Load {
  const random = seededRandom(seed)
  const crowds = Array.from({ length: 8 }, () => ({ from: 86_400 * random.next(), size: 1 + 3 * random.next() }))
  const kept = Math.exp(-1 / 1_200)
  let walk = 0
  const counts = Array.from({ length: 86_400 }, (_, second) => {
    walk = kept * walk + Math.sqrt(1 - kept * kept) * 0.33 * normal(random)
    const wave = 1 + 0.7 * Math.sin((2 * Math.PI * (second - 32_400)) / 86_400)
    const crowd = crowds.reduce((sum, { from, size }) => sum + size * shapeOf(second - from), 0)
    return poisson(meanPerSecond * (wave * Math.exp(walk) + crowd), random)
  })
  return fromCounts(counts, 0.2)
}

const shapeOf = (age: number) => (age < 0 ? 0 : age < 60 ? age / 60 : Math.exp(-(age - 60) / 300))

function normal(random: RandomSource): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}

function poisson(mean: number, random: RandomSource): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
  const end = Math.exp(-mean)
  let count = 0
  for (let product = random.next(); product > end; product *= random.next()) count++
  return count
}
