/**
 * Access logs of one JSON object a line, as nginx writes them with `log_format ... escape=json`. Read are the time, by whichever of
 * the usual names it has, and `request_time` in seconds:
 *
 *     {"time_iso8601":"2026-01-05T10:00:00+00:00","msec":"1767607200.123","request":"GET / HTTP/1.1","request_time":"0.012"}
 */

import { parseCommonLog } from './clf-log.ts'
import { durationOf, type ParsedLine } from './log-line.ts'

/** The finest first. */
const EPOCH_SECONDS = ['msec'] as const
const STAMPS = ['@timestamp', 'timestamp', 'time', 'time_iso8601', 'time_local', 'ts'] as const

export function parseJsonLog(line: string): ParsedLine {
  const entry = objectOf(line)
  if (!entry) return 'bad'
  const atMs = timeOf(entry)
  return atMs === undefined ? 'bad' : { atMs, ...durationOf(entry.request_time) }
}

function objectOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function timeOf(entry: Readonly<Record<string, unknown>>): number | undefined {
  const times = [...EPOCH_SECONDS.map((name) => epochMs(entry[name])), ...STAMPS.map((name) => stampMs(entry[name]))]
  return times.find((time) => time !== undefined)
}

function epochMs(seconds: unknown): number | undefined {
  const { durationMs } = durationOf(seconds)
  return durationMs === 0 ? undefined : durationMs
}

/** ISO 8601, seconds since 1970, or the common log format's. */
function stampMs(stamp: unknown): number | undefined {
  if (typeof stamp === 'number') return epochMs(stamp)
  if (typeof stamp !== 'string') return undefined
  if (/^\d{9,11}(\.\d+)?$/.test(stamp)) return epochMs(stamp)
  if (/^\d{4}-\d{2}-\d{2}[T ]/.test(stamp)) {
    const time = Date.parse(stamp)
    return Number.isNaN(time) ? undefined : time
  }
  const common = parseCommonLog(`- - [${stamp}] "`)
  return typeof common === 'string' ? undefined : common.atMs
}
