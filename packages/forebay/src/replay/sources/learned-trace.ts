/** A trace that was learned from something else than a trace. */

export interface LearnedTrace {
  /** Milliseconds from the first arrival on, never falling. */
  readonly arrivalsMs: Float64Array
  /** How long each request took, where all of them say it. */
  readonly durationsMs: Float64Array | undefined
  /** When the first one came, epoch milliseconds. */
  readonly startEpochMs: number
  /** What was learned from what, in a sentence, and what was passed over. */
  readonly told: string
}

/** As a trace's file: rows that `forebay replay` and `forebay plan` read. */
export function* traceRows({ arrivalsMs, durationsMs, startEpochMs }: LearnedTrace): Generator<string> {
  yield durationsMs ? 'time,duration\n' : 'time\n'
  for (const [index, at] of arrivalsMs.entries()) {
    const time = new Date(startEpochMs + at).toISOString()
    yield durationsMs ? `${time},${durationsMs[index]}\n` : `${time}\n`
  }
}

/**
 * Spreads times that are whole seconds evenly within their second, as a trace of counts has it: a log that knows no fractions would
 * else have all of a second's requests come at once.
 * @param times Ascending; changed in place.
 */
export function spreadWithinSeconds(times: Float64Array): void {
  for (let from = 0; from < times.length; ) {
    const second = times[from] as number
    let to = from
    while (to < times.length && times[to] === second) to++
    if (second % 1_000 === 0) for (let k = from; k < to; k++) times[k] = second + ((k - from) / (to - from)) * 1_000
    from = to
  }
}
