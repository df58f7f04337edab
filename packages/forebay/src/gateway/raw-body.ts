/** Reading a request's body by hand, never more of it than is allowed. */

import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { ForebayError } from '../errors.ts'

/**
 * The whole body.
 * @throws ForebayError PAYLOAD_TOO_LARGE as soon as it is known to be larger than `maxBytes`, INVALID_REQUEST if it breaks off.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > maxBytes) return reject(tooLarge('The body', maxBytes))
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (act: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onError)
      act()
    }
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      // The request is left as it is and not destroyed: its socket has to carry the refusal.
      if (bytes > maxBytes) settle(() => reject(tooLarge('The body', maxBytes)))
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)))
    const onError = () =>
      settle(() => reject(new ForebayError('INVALID_REQUEST', 'The body broke off. Nothing of it was stored.')))
    request.on('data', onData).on('end', onEnd).on('error', onError)
  })
}

/**
 * The lines of a stream, without their ends and without the empty ones.
 * @throws ForebayError PAYLOAD_TOO_LARGE for a line over `maxLineBytes` or a stream over `maxBytes`.
 */
export async function* linesOf(stream: Readable, maxLineBytes: number, maxBytes: number): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let bytes = 0
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge('The stream', maxBytes)
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, end)])
      pending = []
      pendingBytes = 0
      from = end + 1
      if (line.length > maxLineBytes) throw tooLarge('A line', maxLineBytes)
      if (!isBlank(line)) yield line
    }
    // A copy: the chunk may be large, and what is pending of it small.
    const rest = Buffer.from(chunk.subarray(from))
    pending.push(rest)
    pendingBytes += rest.length
    if (pendingBytes > maxLineBytes) throw tooLarge('A line', maxLineBytes)
  }
  const last = Buffer.concat(pending)
  if (!isBlank(last)) yield last
}

const NEWLINE = 0x0a

/** Spaces, tabs and carriage returns only. */
function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function tooLarge(what: string, maxBytes: number): ForebayError {
  return new ForebayError('PAYLOAD_TOO_LARGE', `${what} is larger than the ${maxBytes} bytes that this gateway takes.`)
}
