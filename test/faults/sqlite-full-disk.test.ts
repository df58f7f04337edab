import { spawnSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { afterwards, drain, newFolder, open, task } from './sqlite-scene.ts'

const REASON = 'a small file system can’t be mounted here: that takes Linux and root'

/** A file system of 4 MiB; undefined where none can be had. */
function smallDisk(): string | undefined {
  const folder = newFolder()
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).status !== 0) return undefined
  afterwards(() => spawnSync('umount', [folder]))
  return folder
}

test('a full disk acknowledges nothing, loses nothing, and the queue goes on when space is freed', async ({ skip }) => {
  const folder = smallDisk()
  if (folder === undefined) return skip(REASON)
  const ballast = join(folder, 'ballast')
  const queue = await open(join(folder, 'queue.db'))
  await queue.push([task('first')])
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - 256 * 1_024))

  const acknowledged: string[] = []
  const failed: unknown[] = []
  for (let n = 0; failed.length < 5; n++) {
    const id = `task ${n}`
    await queue.push([task(id, JSON.stringify('x'.repeat(10_000)))]).then(
      () => acknowledged.push(id),
      (thrown: unknown) => failed.push(thrown),
    )
  }
  for (const thrown of failed) expect(thrown instanceof ForebayError && thrown.code).toBe('DISK_FULL')
  expect((await queue.depth()).ready).toBe(1 + acknowledged.length)

  rmSync(ballast)
  expect(await queue.push([task('last')])).toEqual([{ status: 'accepted', id: 'last' }])
  expect(await drain(queue)).toEqual(['first', ...acknowledged, 'last'])
})
