/** What very many keys leave behind once they are gone: nothing. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { Granted, Operation } from '../../packages/forebay/src/backends/sqlite/operations.ts'
import { prepareFile } from '../../packages/forebay/src/backends/sqlite/schema.ts'
import { Store } from '../../packages/forebay/src/backends/sqlite/store.ts'

const TEST_MS = 120_000
const MIB = 1024 * 1024
const PROCESS = fileURLToPath(new URL('./many-keys.process.ts', import.meta.url))

interface Heap {
  readonly early: number
  readonly late: number
  readonly ready: number
}

async function heapAfter(keys: number, atOnce: number, backlog: number): Promise<Heap> {
  const args = ['--expose-gc', PROCESS, String(keys), String(atOnce), String(backlog)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as Heap
}

describe('many keys that come and go in memory', () => {
  it.each([
    ['a million, a thousand at a time', 1_000_000, 1_000, 0],
    ['300,000 beside a key with a standing backlog', 300_000, 1_000, 100],
    ['300,000, fifty thousand at a time', 300_000, 50_000, 0],
  ])(
    '%s: the heap is where it was',
    async (_, keys, atOnce, backlog) => {
      const { early, late, ready } = await heapAfter(keys, atOnce, backlog)
      expect(ready).toBe(backlog)
      // A line takes half a kilobyte; nine tenths of these keys would have left far more than this.
      expect(late - early).toBeLessThan(8 * MIB)
    },
    TEST_MS,
  )
})

describe('many keys that come and go in a file', () => {
  it(
    'leave no rows, also beside a key with a standing backlog',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'forebay-many-keys-'))
      const db = new Database(join(folder, 'queue.db'))
      prepareFile(db, join(folder, 'queue.db'), 'normal')
      const store = new Store(db)
      let now = 1_000
      let ids = 0
      const run = (operation: Operation) => {
        const moment = { now: ++now, stamp: now, ahead: 0 }
        return store.look('q', operation, moment) ?? store.execute('q', operation, moment)
      }
      const push = (...keys: string[]) => {
        const fields = { type: 't', payload: '1', priority: 0, delayMs: 0, weight: 1 }
        run({ name: 'push', tasks: keys.map((key) => ({ id: `t${++ids}`, key, ...fields })), bounds: {} })
      }
      const take = (max: number): string[] => {
        const { grants } = run({ name: 'claim', requests: [{ max, leaseMs: 60_000 }] }) as Granted
        const claims = grants.flat()
        run({
          name: 'settle',
          settlements: claims.map(({ id, token }) => ({ claim: { id, token }, outcome: 'complete' })),
        })
        return claims.map(({ task }) => task.key as string)
      }
      const rows = db.prepare<[], number>('SELECT count(*) FROM lines').pluck()
      let most = 0
      db.exec('BEGIN')
      push(...Array.from({ length: 5_000 }, () => 'standing'))
      for (let round = 0; round < 400; round++) {
        push(...Array.from({ length: 50 }, (_, n) => `key ${round} ${n}`))
        take(60)
        most = Math.max(most, rows.get() ?? 0)
      }
      while (take(100).length > 0);
      // The last ones of all are forgotten by whatever comes next.
      for (let n = 0; n < 200; n++) {
        push('next')
        take(1)
      }
      const left = rows.get()
      db.exec('COMMIT')
      db.close()
      rmSync(folder, { recursive: true })
      expect(most).toBeLessThan(500)
      expect(left).toBeLessThan(5)
    },
    TEST_MS,
  )
})
