import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { whyNoPostgres } from '../servers/postgres.ts'
import { afterwards, codeOf, drain, open, startServer, task } from './postgres-scene.ts'

const REASON = 'a small file system can’t be mounted here: that takes Linux and root'

/** A file system of 48 MiB that the server may write to; undefined where none can be had. */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-small-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=777', 'tmpfs', folder]).status !== 0) return undefined
  afterwards(() => spawnSync('umount', ['-l', folder]))
  return folder
}

test('a full disk acknowledges nothing, loses nothing, and the queue goes on when space is freed', async ({ skip }) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const folder = smallDisk()
  if (folder === undefined) return skip(REASON)
  const server = await startServer()
  const space = join(folder, 'space')
  spawnSync('install', ['-d', '-o', 'postgres', '-m', '700', space])
  await server.query(`CREATE TABLESPACE small LOCATION '${space}'`)
  await server.query('CREATE DATABASE small TABLESPACE small')
  const queue = await open({ url: server.url.replace(/postgres$/, 'small') })
  await queue.push([task('first')])
  const { bavail, bsize } = statfsSync(folder)
  const ballast = join(folder, 'ballast')
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - 2 * 1_024 * 1_024))

  const acknowledged: string[] = []
  const codes: (string | undefined)[] = []
  for (let n = 0; codes.length < 5; n++) {
    const id = `task ${n}`
    const payload = JSON.stringify(randomBytes(20_000).toString('base64'))
    const code = await codeOf(queue.push([task(id, { payload })]))
    if (code === undefined) acknowledged.push(id)
    else codes.push(code)
  }
  expect(codes).toEqual(new Array(5).fill('DISK_FULL'))
  expect(acknowledged.length).toBeGreaterThan(3)
  expect((await queue.depth()).ready).toBe(1 + acknowledged.length)

  rmSync(ballast)
  expect(await queue.push([task('last')])).toEqual([{ status: 'accepted', id: 'last' }])
  expect(await drain(queue)).toEqual(['first', ...acknowledged, 'last'])
})
