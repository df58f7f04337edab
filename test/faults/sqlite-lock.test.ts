import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { newFolder, open, spawnEnqueuer, task } from './sqlite-scene.ts'

const LOCKED = expect.objectContaining({ code: 'BACKEND_LOCKED' })

test('a locked file can’t be opened, and says so after the time to wait', async () => {
  const path = join(newFolder(), 'queue.db')
  await (await open(path)).close()
  const holder = new Database(path)
  holder.exec('BEGIN EXCLUSIVE')
  await expect(open(path, { lockWaitMs: 100 })).rejects.toEqual(LOCKED)
  holder.exec('ROLLBACK')
  holder.close()
  expect((await (await open(path)).depth()).ready).toBe(0)
})

test('while another holds the lock a push is refused, reads go on, and pushes too when it is free', async () => {
  const path = join(newFolder(), 'queue.db')
  const queue = await open(path, { lockWaitMs: 100 })
  await queue.push([task('a')])
  const holder = new Database(path)
  holder.exec('BEGIN IMMEDIATE')
  await expect(queue.push([task('b')])).rejects.toEqual(LOCKED)
  expect((await queue.depth()).ready).toBe(1)
  holder.exec('ROLLBACK')
  holder.close()
  expect(await queue.push([task('b')])).toEqual([{ status: 'accepted', id: 'b' }])
})

test('a push waits for a lock that is let go in time', async () => {
  const path = join(newFolder(), 'queue.db')
  const queue = await open(path)
  const holder = new Database(path)
  holder.exec('BEGIN IMMEDIATE')
  const pushing = queue.push([task('a')])
  await new Promise((resolve) => setImmediate(resolve))
  holder.exec('ROLLBACK')
  holder.close()
  expect(await pushing).toEqual([{ status: 'accepted', id: 'a' }])
})

test('three busy producers share a file, and none is locked out', async () => {
  const path = join(newFolder(), 'queue.db')
  const children = [1, 2, 3].map(() => spawnEnqueuer([path, 'full', '300']))
  const lines = await Promise.all(
    children.map(async (child) => {
      const ended = once(child, 'exit')
      const read: string[] = []
      for await (const line of createInterface({ input: child.stdout })) read.push(line)
      await ended
      return read
    }),
  )
  expect(lines.flat().filter((line) => !line.startsWith('ack '))).toEqual([])
  expect((await (await open(path)).depth()).ready).toBe(900)
})
