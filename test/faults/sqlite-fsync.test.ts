/**
 * A kill keeps the page cache, so it can't show a missing fsync. These tests watch the system calls instead: between the
 * last write to the log and the acknowledgement stands a sync of the log; and a sync that fails acknowledges nothing.
 */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { canTrace, drain, newFolder, open, spawnEnqueuer } from './sqlite-scene.ts'

const REASON = 'strace is missing or not allowed here'

interface Traced {
  readonly acknowledged: number
  readonly unsynced: number
}

/** How many acknowledgements there were, and how many of them came while the log held writes that were not synced. */
function readTrace(trace: string): Traced {
  let [acknowledged, unsynced, dirty] = [0, 0, false]
  for (const line of trace.split('\n')) {
    if (/pwrite64\(\d+<[^>]*-wal>/.test(line)) dirty = true
    else if (/(fdatasync|fsync)\(\d+<[^>]*-wal>/.test(line)) dirty = false
    else if (/write\(1<[^>]*>, "ack /.test(line)) {
      acknowledged++
      if (dirty) unsynced++
    }
  }
  return { acknowledged, unsynced }
}

async function trace(durability: 'full' | 'normal'): Promise<Traced> {
  const folder = newFolder()
  const file = join(folder, 'trace')
  const calls = 'trace=pwrite64,write,fdatasync,fsync'
  const under = ['strace', '-f', '-y', '-qq', '-e', calls, '-e', 'signal=none', '-o', file]
  const child = spawnEnqueuer([join(folder, 'queue.db'), durability, '25'], under)
  child.stdout.resume()
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
  return readTrace(readFileSync(file, 'utf8'))
}

test.skipIf(!canTrace())(
  `with durability full every acknowledgement follows a sync of the log (or: ${REASON})`,
  async () => {
    expect(await trace('full')).toEqual({ acknowledged: 25, unsynced: 0 })
  },
)

test.skipIf(!canTrace())(
  `with durability normal it does not, which shows that the trace can tell (or: ${REASON})`,
  async () => {
    const { acknowledged, unsynced } = await trace('normal')
    expect(acknowledged).toBe(25)
    expect(unsynced).toBeGreaterThan(20)
  },
)

test.skipIf(!canTrace())(`a sync that fails acknowledges nothing, and the queue goes on (or: ${REASON})`, async () => {
  const folder = newFolder()
  const path = join(folder, 'queue.db')
  // Made without faults, so that the syncs that fail are those of pushes.
  await (await open(path)).close()
  const inject = 'inject=fdatasync,fsync:error=EIO:when=5..7'
  const under = ['strace', '-f', '-qq', '-e', 'trace=fdatasync,fsync', '-e', inject, '-o', join(folder, 'trace')]
  const child = spawnEnqueuer([path, 'full', '30'], under)
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)

  const failed = lines.filter((line) => line.startsWith('fail '))
  expect(failed.length).toBeGreaterThan(0)
  expect(new Set(failed)).toEqual(new Set(['fail BACKEND_UNAVAILABLE']))
  const acknowledged = lines.filter((line) => line.startsWith('ack ')).map((line) => line.slice(4))
  expect(acknowledged.length).toBe(30 - failed.length)
  expect(lines.at(-1)).toMatch(/^ack /)
  const there = new Set(await drain(await open(path)))
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
})
