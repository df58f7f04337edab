/**
 * The downstream's side of a replay: what arrived there, and when.
 *
 * A replayed request names itself `RUN.INDEX`: in the header `forebay-replay`, or in its JSON body as `replay` (a queue
 * passes a body on, and not always a header). A downstream that keeps an `ArrivalLog` and answers `GET /arrivals?run=RUN` with
 * its lines can be the judge of any replay: one JSON object a line, `{ "index", "atMs", "served" }`, `atMs` being
 * epoch milliseconds.
 */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { Arrival } from './figures.ts'
import { steadyWallTime } from './wall-time.ts'

export const REPLAY_HEADER = 'forebay-replay'

export interface ReplayId {
  readonly run: string
  readonly index: number
}

export function formatReplayId({ run, index }: ReplayId): string {
  return `${run}.${index}`
}

/** The id in a request's header or body; undefined if it is no replayed request. */
export function replayIdOf(header: unknown, body: string): ReplayId | undefined {
  const text = typeof header === 'string' ? header : /"replay"\s*:\s*"([^"]{1,80})"/.exec(body)?.[1]
  const parts = /^([A-Za-z0-9]{1,40})\.(\d{1,9})$/.exec(text ?? '')
  return parts ? { run: parts[1] as string, index: Number(parts[2]) } : undefined
}

interface Entry {
  readonly index: number
  readonly atMs: number
  served: boolean
}

export class ArrivalLog {
  readonly #time: () => number
  readonly #entries = new Map<string, Entry[]>()

  constructor(clock: Clock) {
    this.#time = steadyWallTime(clock)
  }

  /** Epoch milliseconds by this log. */
  time(): number {
    return this.#time()
  }

  /** Writes an arrival down; call what it returns when the request has been answered with 2xx. */
  arrived({ run, index }: ReplayId, atMs: number): () => void {
    const entry: Entry = { index, atMs, served: false }
    const entries = this.#entries.get(run)
    if (entries) entries.push(entry)
    else this.#entries.set(run, [entry])
    return () => {
      entry.served = true
    }
  }

  /** How many arrivals of this run were seen, repeats included. */
  count(run: string): number {
    return this.#entries.get(run)?.length ?? 0
  }

  /** The arrivals of a run, in order, `atMs` in epoch milliseconds. */
  arrivals(run: string): readonly Arrival[] {
    return this.#entries.get(run) ?? []
  }

  /** The answer to `GET /arrivals?run=RUN`. */
  lines(run: string): string {
    return this.arrivals(run)
      .map((arrival) => `${JSON.stringify(arrival)}\n`)
      .join('')
  }
}

/** Reads what `lines` wrote, with times since `startEpochMs`. @throws ForebayError `INVALID_REQUEST`. */
export function parseArrivals(lines: string, startEpochMs: number): Arrival[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line, number) => {
      const { index, atMs, served } = arrivalOf(line)
      if (!Number.isInteger(index) || !Number.isFinite(atMs)) {
        throw new ForebayError(
          'INVALID_REQUEST',
          `Line ${number + 1} of the arrivals is not { "index", "atMs", "served" }.`,
        )
      }
      return { index: index as number, atMs: (atMs as number) - startEpochMs, served: served === true }
    })
}

function arrivalOf(line: string): { index?: unknown; atMs?: unknown; served?: unknown } {
  try {
    return Object(JSON.parse(line))
  } catch {
    return {}
  }
}
