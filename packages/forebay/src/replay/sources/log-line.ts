/** One line of an access log, as every parser reads it. */

export interface LoggedRequest {
  /** Epoch milliseconds; a whole second where the log knows no more. */
  readonly atMs: number
  /** How long the request took, where the log says it. */
  readonly durationMs?: number
}

/** What a parser makes of a line: a request, nothing (a comment), or that it cannot read it. */
export type ParsedLine = LoggedRequest | 'comment' | 'bad'

export type LineParser = (line: string) => ParsedLine

/** A span of seconds as logs have it; nothing if it is none. */
export function durationOf(seconds: unknown): { readonly durationMs?: number } {
  const value =
    typeof seconds === 'number' ? seconds : typeof seconds === 'string' && seconds !== '' ? Number(seconds) : Number.NaN
  return value >= 0 && value < Number.POSITIVE_INFINITY ? { durationMs: value * 1_000 } : {}
}
