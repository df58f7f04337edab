import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { whyNoPostgres } from '../servers/postgres.ts'
import { drain, open, spawnWorker, startServer } from './postgres-scene.ts'

const KILLS = 50
const WORKERS = 3

/** What all workers told, each task by its id. */
class History {
  readonly pushed = new Set<string>()
  readonly acknowledged = new Set<string>()
  /** Completions that were asked for, and may have been made. */
  readonly asked = new Set<string>()
  readonly completed = new Map<string, number>()
  readonly grants = new Map<string, { readonly token: bigint; readonly at: number }[]>()
  readonly faults: string[] = []

  listen(child: ChildProcessByStdio<Writable, Readable, null>): void {
    createInterface({ input: child.stdout }).on('line', (line) => this.#note(line))
  }

  #note(line: string): void {
    const [at = '', event = '', id = '', token = '', status = ''] = line.split(' ')
    if (event === 'push') this.pushed.add(id)
    if (event === 'ack') this.acknowledged.add(id)
    if (event === 'settle') this.asked.add(id)
    if (event === 'grant')
      this.grants.set(id, [...(this.grants.get(id) ?? []), { token: BigInt(token), at: Number(at) }])
    if (event !== 'settled' || status !== 'settled') return
    if (this.completed.has(id)) this.faults.push(`${id} was completed twice`)
    this.completed.set(id, Number(at))
  }

  /** @param left What was in the queue at the end. */
  check(left: readonly string[]): void {
    const present = new Set(left)
    const lost = [...this.acknowledged].filter(
      (id) => !present.has(id) && !this.completed.has(id) && !this.asked.has(id),
    )
    expect(lost, 'acknowledged, and gone without a completion').toEqual([])
    expect(
      left.filter((id) => this.completed.has(id)),
      'completed, and still there',
    ).toEqual([])
    expect(
      [...this.grants.keys()].filter((id) => !this.pushed.has(id)),
      'granted, and never pushed',
    ).toEqual([])
    for (const [id, grants] of this.grants) {
      const inOrder = [...grants].sort((a, b) => a.at - b.at)
      if (new Set(grants.map(({ token }) => token)).size < grants.length) this.faults.push(`${id} had a token twice`)
      if (inOrder.some(({ token }, index) => index > 0 && token <= (inOrder[index - 1]?.token ?? 0n)))
        this.faults.push(`${id} had a token below an earlier one`)
      const completedAt = this.completed.get(id)
      if (completedAt !== undefined && inOrder.some((grant) => grant.at > completedAt))
        this.faults.push(`${id} was granted after it was completed`)
    }
    expect(this.faults).toEqual([])
  }
}

test(`${KILLS} kills of server and processes under load lose nothing and complete nothing twice`, async ({ skip }) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const server = await startServer({ inMemory: true })
  const random = seededRandom(20_261_125)
  const history = new History()
  const start = () => {
    const worker = spawnWorker(server.url, 'work')
    history.listen(worker)
    return worker
  }
  const workers = Array.from({ length: WORKERS }, start)
  await sleep(systemClock, 1_000)
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(systemClock, 50 + random.next() * 400)
    if (kill % 4 === 0) {
      await server.kill()
      await sleep(systemClock, random.next() * 100)
      await server.run()
    } else {
      const index = Math.floor(random.next() * WORKERS)
      const gone = workers[index] as (typeof workers)[number]
      expect(gone.exitCode, 'a worker ended by itself').toBeNull()
      gone.kill('SIGKILL')
      await once(gone, 'exit')
      workers[index] = start()
    }
  }
  await sleep(systemClock, 1_000)
  for (const worker of workers) {
    worker.kill('SIGKILL')
    await once(worker, 'close')
  }

  // What the last ones held comes back when their leases end.
  const queue = await open({ url: server.url })
  await sleep(systemClock, 1_600)
  const left = await drain(queue)
  const { ready, delayed, inFlight, dead, bytes, totals } = await queue.depth()
  expect([ready, delayed, inFlight, dead, bytes]).toEqual([0, 0, 0, 0, 0])
  expect(totals?.completed).toBe(totals?.accepted)
  // Those whose answers were lost were stored or not: between the acknowledged and the pushed ones.
  expect(totals?.accepted).toBeGreaterThanOrEqual(history.acknowledged.size)
  expect(totals?.accepted).toBeLessThanOrEqual(history.pushed.size)
  expect(history.completed.size).toBeGreaterThan(200)
  history.check(left)
})
