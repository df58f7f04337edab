/** What a target answered: it is kept as the task's result, passed back to who waits for it, or posted to a callback. */

import type { Dispatcher } from 'undici'
import { type BodyText, bodyToText } from './body-text.ts'
import { answeredHeaders, type HeaderPair } from './headers.ts'

export interface Answer extends BodyText {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  /** The body was larger than the gateway keeps; it was not read to its end. */
  readonly bodyOmitted?: true
}

/** Reads an answer; its body as far as `maxBytes` allow, as it came: what is compressed stays compressed. */
export async function readAnswer(response: Dispatcher.ResponseData, maxBytes: number): Promise<Answer> {
  const head = { status: response.statusCode, headers: answeredHeaders(pairsOf(response.headers)) }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    // Leaving the loop ends the connection: an endless body is not waited for.
    if (bytes > maxBytes) return { ...head, bodyOmitted: true }
    chunks.push(chunk)
  }
  return { ...head, ...bodyToText(Buffer.concat(chunks)) }
}

function pairsOf(headers: Dispatcher.ResponseData['headers']): HeaderPair[] {
  return Object.entries(headers).flatMap(([name, value]): HeaderPair[] => {
    if (value === undefined) return []
    return Array.isArray(value) ? value.map((item): HeaderPair => [name, item]) : [[name, value]]
  })
}
