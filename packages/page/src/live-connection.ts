/**
 * The connection to the gateway. `fetch` and not `EventSource`, because a gateway beyond loopback wants a token in a
 * header. A connection that is lost, or silent for too long, is made again by itself.
 */

import { EventStreamParser, type StreamEvent } from './event-stream.ts'
import { connection, takeHistory, takeSample, takeState } from './store.ts'

const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 5_000

/** The gateway sends something every second: after this long without, the connection is taken for dead. */
const SILENCE_MS = 6_000

const TOKEN = 'forebay-token'

/** Never resolves: it connects anew for as long as the page is open. */
export async function stayConnected(): Promise<void> {
  let retryMs = FIRST_RETRY_MS
  for (;;) {
    const answer = await listen(() => {
      retryMs = FIRST_RETRY_MS
      connection.value = 'live'
    })
    connection.value = answer
    if (answer === 'refused') await tokenGiven()
    else await new Promise((resolve) => setTimeout(resolve, retryMs))
    retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)
  }
}

/** Asks the gateway to pause or resume a queue. Resolves with what went wrong, in a sentence; undefined if nothing did. */
export async function command(queue: string, verb: 'pause' | 'resume'): Promise<string | undefined> {
  try {
    const url = `./v1/queues/${encodeURIComponent(queue)}/${verb}`
    const response = await fetch(url, { method: 'POST', headers: authorization() })
    return response.ok ? undefined : `The gateway refused to ${verb}: HTTP ${response.status}.`
  } catch {
    return `The gateway could not be asked to ${verb}.`
  }
}

export function useToken(token: string): void {
  sessionStorage.setItem(TOKEN, token)
  dispatchEvent(new Event(TOKEN))
}

function tokenGiven(): Promise<unknown> {
  return new Promise((resolve) => addEventListener(TOKEN, resolve, { once: true }))
}

function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN)
  return token === null ? {} : { authorization: `Bearer ${token}` }
}

/** Reads events until the connection ends, and says how it ended. */
async function listen(onLive: () => void): Promise<'lost' | 'refused'> {
  const abort = new AbortController()
  let silence: ReturnType<typeof setTimeout> | undefined
  const heard = () => {
    clearTimeout(silence)
    silence = setTimeout(() => abort.abort(), SILENCE_MS)
  }
  try {
    heard()
    const response = await fetch('./v1/live', { headers: authorization(), cache: 'no-store', signal: abort.signal })
    if (response.status === 401) return 'refused'
    if (!response.ok || !response.body) return 'lost'
    const parser = new EventStreamParser()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return 'lost'
      heard()
      for (const event of parser.push(value)) take(event)
      onLive()
    }
  } catch {
    return 'lost'
  } finally {
    clearTimeout(silence)
    abort.abort()
  }
}

function take({ name, data }: StreamEvent): void {
  const body = JSON.parse(data)
  if (name === 'history') takeHistory(body)
  else if (name === 'sample') takeSample(body)
  else if (name === 'state') takeState(body.name, body.state)
}
