/** A file of text as a stream of it, also where it was packed by gzip, as logs often are: that is told by its first two bytes. */

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

const GZIP = Buffer.from([0x1f, 0x8b])
const CHUNK_BYTES = 262_144

/** Reading it rejects with whatever is wrong with the file. */
export async function* textOf(file: string | URL): AsyncGenerator<string> {
  const isPacked = await isGzip(file)
  const bytes = createReadStream(file, { highWaterMark: CHUNK_BYTES })
  if (!isPacked) yield* bytes.setEncoding('utf8')
  // An error of either comes out where it is read.
  else yield* pipeline(bytes, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}).setEncoding('utf8')
}

async function isGzip(file: string | URL): Promise<boolean> {
  const handle = await open(file)
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0)
    return bytesRead === GZIP.length && buffer.equals(GZIP)
  } finally {
    await handle.close()
  }
}
