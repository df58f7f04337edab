/** Who tells what arrived at the downstream: a sink of the replay's own, or the downstream itself. */

import { request } from 'undici'
import { ForebayError, messageOf } from '../errors.ts'
import { parseArrivals } from './arrival-log.ts'
import type { Arrival } from './figures.ts'
import type { ReplaySink } from './sink.ts'

export interface Downstream {
  /** What has arrived so far, times in milliseconds since `startEpochMs`. */
  arrivals(startEpochMs: number): Promise<Arrival[]>
}

export function sinkDownstream(sink: ReplaySink, run: string): Downstream {
  return {
    arrivals: async (startEpochMs) =>
      sink.log.arrivals(run).map((arrival) => ({ ...arrival, atMs: arrival.atMs - startEpochMs })),
  }
}

/** Asks `GET URL?run=RUN`, which answers as `ArrivalLog.lines` does. @throws ForebayError `TARGET_FAILED`, `INVALID_REQUEST`. */
export function judgeDownstream(url: URL, run: string): Downstream {
  const asked = new URL(url)
  asked.searchParams.set('run', run)
  return { arrivals: async (startEpochMs) => parseArrivals(await textAt(asked), startEpochMs) }
}

/** The body of a GET that is answered with 200. @throws ForebayError `TARGET_FAILED`. */
export async function textAt(url: URL, headers: Record<string, string> = {}): Promise<string> {
  const failed = (why: string) => new ForebayError('TARGET_FAILED', `${url.origin}${url.pathname} ${why}.`)
  const response = await request(url, { headers }).catch((thrown: unknown) => {
    throw failed(`does not answer: ${messageOf(thrown)}`)
  })
  const body = await response.body.text()
  if (response.statusCode !== 200) throw failed(`answered with ${response.statusCode}`)
  return body
}
