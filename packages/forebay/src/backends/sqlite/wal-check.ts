/**
 * Finds damage in a write-ahead log that SQLite would pass over in silence.
 *
 * Every frame of the log carries a checksum that goes on from the frame before it. SQLite reads up to the first frame
 * that doesn't fit and drops the rest: right for what a power failure left half written, wrong for a bit that rotted in
 * the middle. The two can be told apart: with `synchronous=FULL` only the last transaction can be half written, so that
 * two commits, linked by their checksums, behind an unreadable frame were both acknowledged.
 */

import { readFileSync } from 'node:fs'
import { pauseThread } from '../../clock.ts'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
/** The mark of a log whose checksums are over little-endian words, as every machine that Node runs on writes them. */
const LITTLE_ENDIAN_MARK = 0x377f0682

/** A process that is writing just now is seen with half a frame; damage is still there a moment later. */
const LOOKS = 3
const BETWEEN_LOOKS_MS = 20

interface Frame {
  readonly commits: boolean
  /** The same in all frames that belong together. */
  readonly salt: bigint
  /** Its checksum, as stored. */
  readonly sum: Sum
  /** Whether the stored checksum follows from the one before. */
  follows(before: Sum): boolean
}

type Sum = readonly [number, number]

/** Where acknowledged transactions are lost behind an unreadable part, in bytes; undefined if nothing is wrong. */
export function findLostTransactions(walPath: string): number | undefined {
  let found: number | undefined
  for (let look = 0; look < LOOKS; look++) {
    const now = lookForLoss(walPath)
    if (now === undefined || (look > 0 && now !== found)) return undefined
    found = now
    if (look < LOOKS - 1) pauseThread(BETWEEN_LOOKS_MS)
  }
  return found
}

function lookForLoss(walPath: string): number | undefined {
  const log = readLog(walPath)
  if (log.length < HEADER_BYTES + FRAME_HEADER_BYTES) return undefined
  const pageBytes = log.readUInt32BE(8)
  const sound = headerIsSound(log)
  // Of a log with a damaged header the page size is a guess; a wrong one makes no chain of frames.
  const frameBytes = FRAME_HEADER_BYTES + (sound || isPageSize(pageBytes) ? pageBytes : 4_096)
  const count = Math.floor((log.length - HEADER_BYTES) / frameBytes)
  const frame = (index: number) => readFrame(log, HEADER_BYTES + index * frameBytes, frameBytes)

  let good = 0
  let before: Sum = [log.readUInt32BE(24), log.readUInt32BE(28)]
  const salt = sound ? log.readBigUInt64BE(16) : undefined
  if (salt !== undefined) {
    for (; good < count; good++) {
      const next = frame(good)
      if (next.salt !== salt || !next.follows(before)) break
      before = next.sum
    }
  }
  if (good >= count) return undefined
  // What does not belong to this generation of the log was there before it.
  return linkedCommits(frame, good, count, salt) >= 2 ? HEADER_BYTES + good * frameBytes : undefined
}

/** The most commits in one chain of frames behind the bad one. */
function linkedCommits(frame: (index: number) => Frame, bad: number, count: number, salt: bigint | undefined): number {
  let most = 0
  let commits = 0
  let before = frame(bad)
  for (let index = bad + 1; index < count; index++) {
    const next = frame(index)
    const linked = next.salt === (salt ?? before.salt) && next.follows(before.sum)
    commits = linked ? commits + (next.commits ? 1 : 0) : 0
    most = Math.max(most, commits)
    before = next
  }
  return most
}

function readLog(walPath: string): Buffer {
  try {
    return readFileSync(walPath)
  } catch {
    // There is none, or SQLite will say why it can't be read.
    return Buffer.alloc(0)
  }
}

function headerIsSound(log: Buffer): boolean {
  if (log.readUInt32BE(0) !== LITTLE_ENDIAN_MARK || !isPageSize(log.readUInt32BE(8))) return false
  const [a, b] = checksum(log, 0, 24, [0, 0])
  return a === log.readUInt32BE(24) && b === log.readUInt32BE(28)
}

function isPageSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0
}

function readFrame(log: Buffer, at: number, frameBytes: number): Frame {
  const sum: Sum = [log.readUInt32BE(at + 16), log.readUInt32BE(at + 20)]
  return {
    commits: log.readUInt32BE(at + 4) !== 0,
    salt: log.readBigUInt64BE(at + 8),
    sum,
    follows(before) {
      const half = checksum(log, at, 8, before)
      const [a, b] = checksum(log, at + FRAME_HEADER_BYTES, frameBytes - FRAME_HEADER_BYTES, half)
      return a === sum[0] && b === sum[1]
    },
  }
}

function checksum(log: Buffer, at: number, length: number, [a, b]: Sum): Sum {
  const view = new DataView(log.buffer, log.byteOffset + at, length)
  for (let offset = 0; offset < length; offset += 8) {
    a = (a + view.getUint32(offset, true) + b) >>> 0
    b = (b + view.getUint32(offset + 4, true) + a) >>> 0
  }
  return [a, b]
}
