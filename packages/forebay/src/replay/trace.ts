/**
 * Reads a trace: when requests arrived. Two forms, told apart by the first line:
 *
 * - **counts**: the header `second,requests`, then one row a second; a second's requests are spread evenly within it
 *   (`n` of them at `0/n, 1/n, ...`).
 * - **rows**: one request a row, its time in the first column (ISO 8601, with `T` or a space, any number of decimals; UTC
 *   unless it has an offset). A header line is passed over, and so are further columns.
 *
 * The file, packed by gzip or not, is read as a stream; what is kept of a request is one number. Whatever is malformed is refused with the number of
 * its line, and times may not go back.
 */

import { ForebayError, messageOf } from '../errors.ts'
import { textOf } from './text-file.ts'

export interface Trace {
  /** When each request is due, milliseconds from the first row on, never falling, already divided by the speed. */
  readonly arrivalsMs: Float64Array
  /** The numbers of the column that was asked for, one a request. */
  readonly column?: Float64Array
}

export interface TraceOptions {
  /** 20 plays twenty seconds in one. Default 1. */
  readonly speed?: number
  /** Also read the numbers of this column, by its name in the header or its number from 1. Only of rows. */
  readonly column?: string
}

/** The bounds of a trace. */
export const TRACE_BOUNDS = {
  requests: 20_000_000,
  requestsInOneSecond: 1_000_000,
  lineChars: 65_536,
  speed: 1_000_000,
} as const

type Refuse = (line: number, fault: string) => never
type Add = (atMs: number, value?: number) => void
type RowReader = (line: string, number: number, add: Add) => void

/**
 * @param file A path or file URL.
 * @throws ForebayError `INVALID_TRACE` with the line, `INVALID_OPTION` for a speed that is not above 0.
 */
export async function readTrace(file: string | URL, options: TraceOptions = {}): Promise<Trace> {
  const name = String(file instanceof URL ? file.pathname : file)
  try {
    return await parseTrace(textOf(file), name, options)
  } catch (thrown) {
    if (thrown instanceof ForebayError) throw thrown
    throw new ForebayError('INVALID_TRACE', `${name}: cannot be read: ${messageOf(thrown)}.`, { cause: thrown })
  }
}

/** As `readTrace`, from text that is already at hand. `name` is for messages. */
export async function parseTrace(
  chunks: AsyncIterable<string> | Iterable<string>,
  name: string,
  { speed = 1, column }: TraceOptions = {},
): Promise<Trace> {
  if (!(speed > 0 && speed <= TRACE_BOUNDS.speed)) {
    throw new ForebayError('INVALID_OPTION', `speed: must be above 0, at most ${TRACE_BOUNDS.speed}, and is ${speed}.`)
  }
  const refuse: Refuse = (line, fault) => {
    throw new ForebayError('INVALID_TRACE', `${name}, line ${line}: ${fault}.`, { path: `line ${line}` })
  }
  const arrivals: number[] = []
  const values: number[] = []
  let read: RowReader | undefined
  let number = 0
  for await (const line of lines(chunks, refuse)) {
    number += 1
    if (line.trim() === '') continue
    const add: Add = (atMs, value) => {
      if (arrivals.length === TRACE_BOUNDS.requests) refuse(number, `more than ${TRACE_BOUNDS.requests} requests`)
      arrivals.push(atMs / speed)
      if (value !== undefined) values.push(value)
    }
    if (read) read(line, number, add)
    else read = readerFor({ first: line, number, add, refuse, column })
  }
  if (arrivals.length === 0) refuse(Math.max(1, number), 'the trace ends without one request')
  return { arrivalsMs: Float64Array.from(arrivals), ...(column !== undefined && { column: Float64Array.from(values) }) }
}

interface Beginning {
  readonly first: string
  readonly number: number
  readonly add: Add
  readonly refuse: Refuse
  readonly column: string | undefined
}

/** Decides by the first line, and reads it if it is already a row. */
function readerFor({ first, number, add, refuse, column }: Beginning): RowReader {
  if (/^\s*second\s*,\s*requests\s*$/i.test(first)) {
    if (column !== undefined) refuse(number, `a trace of counts has no column "${column}"`)
    return countsReader(refuse)
  }
  const reader = rowsReader(refuse, column === undefined ? undefined : placeOf(column, first, number, refuse))
  if (timeOf(firstCell(first)) !== undefined) reader(first, number, add)
  return reader
}

function countsReader(refuse: Refuse): RowReader {
  let origin: number | undefined
  let last = -1
  return (line, number, add) => {
    const cells = /^\s*(\d{1,12})\s*,\s*(\d{1,9})\s*$/.exec(line)
    if (!cells) return refuse(number, `"${cut(line)}" is not "second,requests", two whole numbers`)
    const second = Number(cells[1])
    const requests = Number(cells[2])
    if (second <= last) refuse(number, `second ${second} comes after second ${last}; seconds must rise`)
    if (requests > TRACE_BOUNDS.requestsInOneSecond) {
      refuse(number, `more than ${TRACE_BOUNDS.requestsInOneSecond} requests in one second`)
    }
    last = second
    origin ??= second
    for (let n = 0; n < requests; n++) add((second - origin + n / requests) * 1_000)
  }
}

/** Where the column stands, from 0. */
function placeOf(column: string, first: string, number: number, refuse: Refuse): number {
  const named = cellsOf(first).indexOf(column)
  if (named >= 0) return named
  if (/^[1-9]\d{0,3}$/.test(column)) return Number(column) - 1
  return refuse(number, `there is no column "${cut(column)}"; name one of the header, or give its number`)
}

function cellsOf(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'))
}

function rowsReader(refuse: Refuse, place: number | undefined): RowReader {
  const valueIn = (line: string, number: number) => {
    if (place === undefined) return undefined
    const cell = cellsOf(line)[place] ?? ''
    const value = Number(cell)
    if (cell === '' || !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      refuse(number, `"${cut(cell)}" in column ${place + 1} is not a number of milliseconds`)
    }
    return value
  }
  let origin: number | undefined
  let last = Number.NEGATIVE_INFINITY
  return (line, number, add) => {
    const time = timeOf(firstCell(line))
    if (time === undefined)
      return refuse(number, `"${cut(firstCell(line))}" is not a time such as 2023-11-16 18:17:03.97`)
    if (time < last) refuse(number, 'its time is before that of the row ahead of it; rows must be in order')
    last = time
    origin ??= time
    add(time - origin, valueIn(line, number))
  }
}

function firstCell(line: string): string {
  const comma = line.indexOf(',')
  return (comma < 0 ? line : line.slice(0, comma)).trim().replace(/^"(.*)"$/, '$1')
}

const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})?$/

/** Epoch milliseconds with the fraction kept; undefined if it is no time. */
function timeOf(cell: string): number | undefined {
  const parts = TIME.exec(cell)
  if (!parts) return undefined
  const whole = Date.parse(`${parts[1]}T${parts[2]}${parts[4] ?? 'Z'}`)
  return Number.isNaN(whole) ? undefined : whole + Number(parts[3] ?? 0) * 1_000
}

/** Splits into lines without keeping more than one of them, and refuses one without end. */
async function* lines(chunks: AsyncIterable<string> | Iterable<string>, refuse: Refuse): AsyncGenerator<string> {
  let rest = ''
  let count = 0
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() as string
    for (const part of parts) {
      count += 1
      yield part.replace(/\r$/, '')
    }
    if (rest.length > TRACE_BOUNDS.lineChars) refuse(count + 1, `longer than ${TRACE_BOUNDS.lineChars} characters`)
  }
  if (rest !== '') yield rest.replace(/\r$/, '')
}

function cut(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}
