/** Spans of time as people write them: `250ms`, `30s`, `5m`, `2h`, `1d`. */

import { ForebayError } from '../errors.ts'

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** @param name For messages. @returns Milliseconds, at least 0. @throws ForebayError `INVALID_OPTION`. */
export function spanMs(name: string, text: string): number {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/.exec(text)
  const unit = parts ? UNITS_MS[parts[2] as string] : undefined
  if (!parts || unit === undefined) {
    throw new ForebayError('INVALID_OPTION', `${name}: "${text}" is not a span of time such as 250ms, 30s, 5m or 2h.`, {
      path: name,
    })
  }
  return Number(parts[1]) * unit
}

/** A span for people, with three significant digits. */
export function spanText(ms: number): string {
  const [unit, factor] =
    ms < 1_000 ? ['ms', 1] : ms < 120_000 ? ['s', 1_000] : ms < 7_200_000 ? ['min', 60_000] : ['h', 3_600_000]
  return `${Number((ms / (factor as number)).toPrecision(3))} ${unit}`
}
