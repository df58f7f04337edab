import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { beforeAll, describe, expect, test } from 'vitest'
import { openSqlite } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { afterwards, drain, newFolder, open, task } from './sqlite-scene.ts'

const CHECKPOINTED = 40
const IN_LOG = 12

/** A file with tasks in the database itself and later ones, a commit each, only in the log. */
interface Image {
  readonly database: Buffer
  readonly log: Buffer
}

async function makeImage(): Promise<Image> {
  const folder = newFolder()
  const path = join(folder, 'queue.db')
  const first = await openSqlite({ path })
  await first.push(Array.from({ length: CHECKPOINTED }, (_, n) => task(`checkpointed ${n}`)))
  await first.close()
  const second = await openSqlite({ path })
  for (let n = 0; n < IN_LOG; n++) await second.push([task(`logged ${n}`)])
  const image = { database: readFileSync(path), log: readFileSync(`${path}-wal`) }
  await second.close()
  return image
}

/** What opening these two files gives: the tasks, or the code of the error. */
async function outcomeOf({ database, log }: Image): Promise<string[] | string> {
  const path = join(newFolder(), 'queue.db')
  writeFileSync(path, database)
  writeFileSync(`${path}-wal`, log)
  try {
    return await drain(await open(path))
  } catch (thrown) {
    if (thrown instanceof ForebayError) return thrown.code
    throw thrown
  }
}

/** The tasks of the database, and the first ones of the log without a gap. */
function expectPrefix(ids: string[]): number {
  const logged = ids.length - CHECKPOINTED
  expect(logged).toBeGreaterThanOrEqual(0)
  expect(ids.slice(0, CHECKPOINTED)).toEqual(Array.from({ length: CHECKPOINTED }, (_, n) => `checkpointed ${n}`))
  expect(ids.slice(CHECKPOINTED)).toEqual(Array.from({ length: logged }, (_, n) => `logged ${n}`))
  return logged
}

describe('a damaged log', () => {
  let image: Image
  beforeAll(async () => {
    image = await makeImage()
  })

  test('untouched, everything is there', async () => {
    const ids = await outcomeOf(image)
    expect(expectPrefix(ids as string[])).toBe(IN_LOG)
  })

  test('cut at any point, what was checkpointed is there, and of the log all that is whole', async () => {
    const random = seededRandom(11)
    let last = 0
    const cuts = Array.from({ length: 24 }, () => Math.floor(random.next() * image.log.length)).sort((a, b) => a - b)
    for (const cut of cuts) {
      const ids = await outcomeOf({ ...image, log: image.log.subarray(0, cut) })
      const logged = expectPrefix(ids as string[])
      expect(logged).toBeGreaterThanOrEqual(last)
      last = logged
    }
  })

  test('with one bit flipped anywhere, no acknowledged task but the very last is missing without an error', async () => {
    const random = seededRandom(12)
    let refused = 0
    for (let round = 0; round < 40; round++) {
      const log = Buffer.from(image.log)
      const at = round < 8 ? round * 4 : Math.floor(random.next() * log.length)
      log.writeUInt8(log.readUInt8(at) ^ (1 << Math.floor(random.next() * 8)), at)
      const outcome = await outcomeOf({ ...image, log })
      if (typeof outcome === 'string') {
        expect(outcome).toBe('BACKEND_CORRUPT')
        refused++
      } else {
        expect(expectPrefix(outcome)).toBeGreaterThanOrEqual(IN_LOG - 2)
      }
    }
    expect(refused).toBeGreaterThan(20)
  })

  test('refused once, it can be opened with durability normal, without what was lost', async () => {
    const log = Buffer.from(image.log)
    const at = Math.floor(log.length / 2)
    log.writeUInt8(log.readUInt8(at) ^ 1, at)
    const path = join(newFolder(), 'queue.db')
    writeFileSync(path, image.database)
    writeFileSync(`${path}-wal`, log)
    await expect(open(path)).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' })
    const queue = await openSqlite({ path, durability: 'normal' })
    afterwards(() => queue.close())
    const logged = expectPrefix(await drain(queue))
    expect(logged).toBeLessThan(IN_LOG)
  })
})

describe('a file that is not ours', () => {
  test('no database at all is refused and left as it is', async () => {
    const path = join(newFolder(), 'notes.txt')
    writeFileSync(path, 'dear diary, '.repeat(1_000))
    await expect(open(path)).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' })
    expect(readFileSync(path, 'utf8')).toBe('dear diary, '.repeat(1_000))
  })

  test('a database of another application is refused and left as it is', async () => {
    const path = join(newFolder(), 'other.db')
    const other = new Database(path)
    other.exec('CREATE TABLE customers (name TEXT)')
    other.close()
    const before = readFileSync(path)
    await expect(open(path)).rejects.toMatchObject({ code: 'INVALID_URL' })
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a file of a newer version is refused', async () => {
    const path = join(newFolder(), 'queue.db')
    await (await open(path)).close()
    const newer = new Database(path)
    newer.pragma('user_version = 99')
    newer.close()
    await expect(open(path)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  test('a database that was cut in half is corrupt, and says so', async () => {
    const path = join(newFolder(), 'queue.db')
    const queue = await open(path)
    await queue.push(Array.from({ length: 2_000 }, (_, n) => task(`task ${n}`)))
    await queue.close()
    const half = join(newFolder(), 'half.db')
    copyFileSync(path, half)
    truncateSync(half, Math.floor(statSync(half).size / 2 / 4_096) * 4_096)
    const attempt = async () => drain(await open(half))
    await expect(attempt()).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' })
  })

  test('a missing folder is named', async () => {
    const path = join(newFolder(), 'missing', 'queue.db')
    await expect(open(path)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    await expect(open(path)).rejects.toThrow('does not exist')
  })
})
