import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { learnFromAccessLog } from './sources/access-log.ts'
import { textOf } from './text-file.ts'
import { readTrace } from './trace.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)
const LOG = '127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326\n'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-text-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

async function read(path: string): Promise<string> {
  let text = ''
  for await (const chunk of textOf(path)) text += chunk
  return text
}

it.each(['', '\x1f', 'ü', 'second,requests\n'])(
  '%j is read as it is, and as it was before it was packed',
  async (text) => {
    expect(await read(await file('plain', text))).toBe(text)
    expect(await read(await file('packed.gz', gzipSync(text)))).toBe(text)
  },
)

it('a packed trace is the same trace', async () => {
  const packed = await file('trace.csv.gz', gzipSync(await readFile(SLICE)))
  expect((await readTrace(packed)).arrivalsMs).toEqual((await readTrace(SLICE)).arrivalsMs)
})

it('a packed access log is learned from', async () => {
  const packed = await file('access.log.gz', gzipSync(LOG.repeat(3)))
  expect((await learnFromAccessLog(packed)).told).toContain('3 requests')
})

it('one that breaks off is refused as a file that cannot be read', async () => {
  const packed = gzipSync(await readFile(SLICE))
  const cut = await file('cut.gz', packed.subarray(0, packed.length >> 1))
  await expect(readTrace(cut)).rejects.toMatchObject({
    code: 'INVALID_TRACE',
    message: expect.stringContaining('cannot be read'),
  })
  await expect(learnFromAccessLog(cut)).rejects.toMatchObject({ code: 'INVALID_TRACE' })
})
