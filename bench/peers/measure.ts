/**
 * Measures one contestant, in this process alone: `node measure.ts '{...Order}'` prints how long each part took.
 *
 * `enqueue`: so many producers, each of which adds its next job when the last one is stored. `bulk`: one producer adds them in
 * batches. `drain` and `bulkDrain`: the jobs that came so stand ready; from the start of the worker until it has done them all and stopped.
 */

import { type Contestant, ENTRIES } from './contestant.ts'

export interface Order {
  readonly name: string
  readonly url: string
  readonly jobs: number
  readonly concurrency: number
}

export interface Times {
  readonly enqueueMs: number
  readonly drainMs: number
  readonly bulkMs: number
  readonly bulkDrainMs: number
}

const { name, url, jobs, concurrency } = JSON.parse(process.argv[2] as string) as Order
const entry = ENTRIES.find((one) => one.name === name)
if (!entry) throw new Error(`No contestant has the name ${name}.`)
const { open } = (await import(entry.module)) as { open(url: string): Promise<Contestant> }
const contestant = await open(url)

async function enqueue(count: number): Promise<void> {
  let next = 0
  const produce = async () => {
    while (next < count) await contestant.add(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, produce))
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - began) / 1e6
}

/** Does a part again and again for so long, at least once; how often. */
async function keepOn(ms: number, part: () => Promise<void>): Promise<number> {
  let times = 0
  for (let spent = 0; spent < ms; times++) spent += await timed(part)
  return times
}

/** What counts is a process that goes on for long: without this the compiling of its code would be a good part of what is measured. */
const WARM_UP_MS = 2_000
const [FEW, MANY] = [500, 2_000]
await contestant.drain(FEW * (await keepOn(WARM_UP_MS, () => enqueue(FEW))), concurrency)
await keepOn(WARM_UP_MS, async () => {
  await contestant.fill(MANY)
  await contestant.drain(MANY, concurrency)
})

const enqueueMs = await timed(() => enqueue(jobs))
const drainMs = await timed(() => contestant.drain(jobs, concurrency))
const bulkMs = await timed(() => contestant.fill(jobs))
const bulkDrainMs = await timed(() => contestant.drain(jobs, concurrency))
await contestant.close()
const times: Times = { enqueueMs, drainMs, bulkMs, bulkDrainMs }
process.stdout.write(JSON.stringify(times), () => process.exit(0))
