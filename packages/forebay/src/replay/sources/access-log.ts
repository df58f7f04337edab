/**
 * Learns a trace from an access log: the common log format, CloudFront's, or one JSON object a line; told apart by the first line
 * that any of them can read. Lines that its format cannot read are counted and told, never fatal. Requests are sorted by their
 * time, since servers write a line when a request ends.
 */

import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { ForebayError, messageOf } from '../../errors.ts'
import { textOf } from '../text-file.ts'
import { TRACE_BOUNDS } from '../trace.ts'
import { cloudFrontParser } from './cloudfront-log.ts'
import { parseCommonLog } from './clf-log.ts'
import { parseJsonLog } from './json-log.ts'
import { type LearnedTrace, spreadWithinSeconds } from './learned-trace.ts'
import type { LineParser, LoggedRequest } from './log-line.ts'

const FORMATS: readonly (readonly [name: string, make: () => LineParser])[] = [
  ['one JSON object a line', () => parseJsonLog],
  ['the common log format', () => parseCommonLog],
  ["CloudFront's format", cloudFrontParser],
]

/** @throws ForebayError `INVALID_TRACE` if the file cannot be read, or no line of it is of a known format. */
export async function learnFromAccessLog(file: string): Promise<LearnedTrace> {
  const chunks = Readable.from(textOf(file))
  try {
    // An error of the stream is only heard by who reads it to its end.
    const lines = createInterface({ input: chunks, crlfDelay: Number.POSITIVE_INFINITY })
    const failed = new Promise<never>((_, reject) => chunks.once('error', reject))
    return await Promise.race([learnFromLines(lines, file), failed])
  } catch (thrown) {
    if (thrown instanceof ForebayError) throw thrown
    throw new ForebayError('INVALID_TRACE', `${file}: cannot be read: ${messageOf(thrown)}.`, { cause: thrown })
  } finally {
    chunks.destroy()
  }
}

/** As `learnFromAccessLog`, from lines that are at hand. */
export async function learnFromLines(
  lines: AsyncIterable<string> | Iterable<string>,
  name: string,
): Promise<LearnedTrace> {
  const requests: LoggedRequest[] = []
  const reader = new LogReader()
  for await (const line of lines) {
    const request = reader.read(line)
    if (request) requests.push(request)
    if (requests.length > TRACE_BOUNDS.requests) {
      throw new ForebayError('INVALID_TRACE', `${name}: more than ${TRACE_BOUNDS.requests} requests.`)
    }
  }
  if (requests.length === 0) {
    const message = `${name}: no line of it is of a known format; there are ${FORMATS.map(([format]) => format).join(', ')}.`
    throw new ForebayError('INVALID_TRACE', message)
  }
  return traceOf(requests, `${name}: ${requests.length.toLocaleString('en')} requests in ${reader.told}`)
}

class LogReader {
  readonly #candidates = FORMATS.map(([name, make]) => ({ name, parse: make() }))
  #format: { readonly name: string; readonly parse: LineParser } | undefined
  #bad = 0
  #firstBad: number | undefined
  #number = 0

  /** The request of a line, if it has one. */
  read(line: string): LoggedRequest | undefined {
    this.#number++
    if (line.trim() === '') return undefined
    const parsed = this.#format ? this.#format.parse(line) : this.#tryAll(line)
    if (parsed === 'comment') return undefined
    if (parsed !== 'bad') return parsed
    this.#bad++
    this.#firstBad ??= this.#number
    return undefined
  }

  get told(): string {
    const bad =
      this.#bad === 0
        ? ''
        : `; ${this.#bad.toLocaleString('en')} lines could not be read, the first is line ${this.#firstBad}`
    return `${this.#format?.name}${bad}`
  }

  #tryAll(line: string): ReturnType<LineParser> {
    let seen: ReturnType<LineParser> = 'bad'
    for (const candidate of this.#candidates) {
      const parsed = candidate.parse(line)
      if (parsed === 'comment') seen = parsed
      else if (parsed !== 'bad') {
        this.#format = candidate
        return parsed
      }
    }
    return seen
  }
}

function traceOf(requests: readonly LoggedRequest[], told: string): LearnedTrace {
  const sorted = requests.toSorted((a, b) => a.atMs - b.atMs)
  const times = Float64Array.from(sorted, ({ atMs }) => atMs)
  spreadWithinSeconds(times)
  const startEpochMs = times[0] as number
  const hasDurations = sorted.every(({ durationMs }) => durationMs !== undefined)
  return {
    arrivalsMs: times.map((time) => time - startEpochMs),
    durationsMs: hasDurations ? Float64Array.from(sorted, ({ durationMs }) => durationMs as number) : undefined,
    startEpochMs,
    told: `${told}.`,
  }
}
