/**
 * Learns a trace from Prometheus: the rate of a counter over time, by `query_range` of its HTTP API
 * (https://prometheus.io/docs/prometheus/latest/querying/api/). A rate `r` at time `t` stands for `r x step` arrivals, spread evenly over
 * the step that ends at `t`; fractions are carried on. Bursts that are shorter than the step are not seen.
 */

import { request } from 'undici'
import { ForebayError, messageOf } from '../../errors.ts'
import { TRACE_BOUNDS } from '../trace.ts'
import type { LearnedTrace } from './learned-trace.ts'

export interface PrometheusQuestion {
  /** The server, such as `http://prometheus:9090`. */
  readonly url: URL
  /** A counter, such as `http_requests_total{job="shop"}`, or a whole expression that gives a rate per second. */
  readonly query: string
  /** Epoch milliseconds. */
  readonly fromMs: number
  readonly untilMs: number
  readonly stepMs: number
}

/** Prometheus answers with at most 11,000 points of a series. */
const MOST_POINTS = 10_000

const LONGEST_ANSWER_MS = 120_000

/** @throws ForebayError `TARGET_FAILED` if it does not answer, or with an error; `INVALID_TRACE` if it knows of no arrival. */
export async function learnFromPrometheus(question: PrometheusQuestion): Promise<LearnedTrace> {
  const { stepMs, fromMs, untilMs } = question
  const query = expressionOf(question)
  const rates = new Map<number, number>()
  let bad = 0
  for (let from = fromMs; from <= untilMs; from += MOST_POINTS * stepMs) {
    const until = Math.min(untilMs, from + (MOST_POINTS - 1) * stepMs)
    for (const [seconds, text] of await pointsOf(question, query, from, until)) {
      const rate = Number(text)
      if (rate >= 0 && rate < Number.POSITIVE_INFINITY) rates.set(seconds, (rates.get(seconds) ?? 0) + rate)
      else bad++
    }
  }
  const passed = bad === 0 ? '' : `; ${bad} points were no numbers and were passed over`
  return arrivalsOf(
    rates,
    stepMs,
    `${query} of ${question.url.host}: ${rates.size} points, each of ${stepMs / 1_000} s${passed}.`,
  )
}

/** A bare counter becomes its rate, over a window that two scrapes a minute apart fit into. */
function expressionOf({ query, stepMs }: PrometheusQuestion): string {
  if (!/^[a-zA-Z_:][\w:]*(\{[^}]*\})?$/.test(query.trim())) return query
  return `sum(rate(${query.trim()}[${Math.max(120, Math.ceil(stepMs / 1_000))}s]))`
}

type Point = readonly [seconds: number, value: string]

async function pointsOf(
  { url, stepMs }: PrometheusQuestion,
  query: string,
  fromMs: number,
  untilMs: number,
): Promise<Point[]> {
  const asked = new URL(`${url.href.replace(/\/$/, '')}/api/v1/query_range`)
  const parameters = { query, start: fromMs / 1_000, end: untilMs / 1_000, step: stepMs / 1_000 }
  for (const [name, value] of Object.entries(parameters)) asked.searchParams.set(name, String(value))
  const failed = (why: string) => new ForebayError('TARGET_FAILED', `${url.origin} ${why}.`)
  const response = await request(asked, { headersTimeout: LONGEST_ANSWER_MS }).catch((thrown: unknown) => {
    throw failed(`does not answer: ${messageOf(thrown)}`)
  })
  const answer = answerOf(await response.body.text())
  if (answer?.status === 'error') throw failed(`refuses the query: ${answer.error}`)
  const series = answer?.data?.result
  if (!Array.isArray(series)) throw failed(`does not answer as Prometheus does (status ${response.statusCode})`)
  return series.flatMap(({ values = [] }) => values)
}

interface RangeAnswer {
  readonly status?: string
  readonly error?: string
  readonly data?: { readonly result?: readonly { readonly values?: readonly Point[] }[] }
}

function answerOf(text: string): RangeAnswer | undefined {
  try {
    return Object(JSON.parse(text)) as RangeAnswer
  } catch {
    return undefined
  }
}

function arrivalsOf(rates: ReadonlyMap<number, number>, stepMs: number, told: string): LearnedTrace {
  const times: number[] = []
  let carried = 0
  for (const [seconds, rate] of [...rates].sort(([a], [b]) => a - b)) {
    const expected = (rate * stepMs) / 1_000 + carried
    // A last bit that is missing is not an arrival that is missing.
    const count = Math.floor(expected + 1e-9)
    carried = expected - count
    if (times.length + count > TRACE_BOUNDS.requests) {
      throw new ForebayError('INVALID_TRACE', `${told} More than ${TRACE_BOUNDS.requests} requests.`)
    }
    for (let k = 0; k < count; k++) times.push(seconds * 1_000 - stepMs + ((k + 0.5) / count) * stepMs)
  }
  const [startEpochMs] = times
  if (startEpochMs === undefined)
    throw new ForebayError('INVALID_TRACE', `${told} It knows of no arrival in that time.`)
  return {
    arrivalsMs: Float64Array.from(times, (time) => time - startEpochMs),
    durationsMs: undefined,
    startEpochMs,
    told,
  }
}
