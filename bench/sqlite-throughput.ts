/**
 * How many tasks a second one SQLite file takes in, grants and completes, through the backend's own thread.
 *
 * Run it alone: `node bench/sqlite-throughput.ts`.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite, type SqliteQueueService } from '../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { systemClock } from '../packages/forebay/src/clock.ts'

const PAYLOAD = JSON.stringify({ order: 42, customer: 'tenant-7', amount: 12.5, note: 'x'.repeat(60) })

interface Row {
  readonly what: string
  readonly 'per second': number
}

let ids = 0
const task = () => ({ id: `task-${++ids}`, type: 'charge', payload: PAYLOAD, priority: 0, delayMs: 0 })

/** Runs `act` until `count` items went through it, `lanes` at a time. */
async function measure(what: string, count: number, lanes: number, act: () => Promise<number>): Promise<Row> {
  const start = systemClock.monotonic()
  let done = 0
  const lane = async () => {
    while (done < count) {
      const more = await act()
      done += more
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const perSecond = Math.round((done / (systemClock.monotonic() - start)) * 1_000)
  return { what, 'per second': perSecond }
}

async function pushes(queue: SqliteQueueService, batch: number, lanes: number, count: number): Promise<Row> {
  return measure(`push, ${lanes} callers, ${batch} a call`, count, lanes, async () => {
    await queue.push(Array.from({ length: batch }, task))
    return batch
  })
}

async function drains(queue: SqliteQueueService, batch: number, lanes: number, count: number): Promise<Row> {
  return measure(`claim + complete, ${lanes} callers, ${batch} a call`, count, lanes, async () => {
    const claims = await queue.claim({ max: batch, leaseMs: 60_000, waitMs: 0 })
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    return claims.length
  })
}

const folder = await mkdtemp(join(tmpdir(), 'forebay-bench-'))
try {
  const rows: Row[] = []
  for (const durability of ['full', 'normal'] as const) {
    const queue = await openSqlite({ path: join(folder, `${durability}.db`), durability })
    const add = (row: Row) => rows.push({ ...row, what: `${durability}: ${row.what}` })
    add(await pushes(queue, 1, 1, 1_500))
    add(await pushes(queue, 1, 64, 20_000))
    add(await pushes(queue, 1_000, 2, 60_000))
    add(await drains(queue, 1, 1, 1_000))
    add(await drains(queue, 1, 64, 10_000))
    add(await drains(queue, 1_000, 2, 70_000))
    await queue.close()
  }
  console.table(rows)
} finally {
  await rm(folder, { recursive: true })
}
