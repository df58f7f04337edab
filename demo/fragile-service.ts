/**
 * The fragile service of the demo, a process of its own: `fragile-line.ts` behind HTTP.
 *
 * It writes down when each request reached it and tells on a second port (`GET /arrivals?run=RUN`, `GET /state`), so that the figures
 * of the demo are taken at the downstream's side and the asking does not stand in the service's own line. It prints one line,
 * `{ "port", "judgePort" }`, when it listens, and ends when its standard input does, so that it never outlives its parent.
 */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../packages/forebay/src/clock.ts'
import { seededRandom } from '../packages/forebay/src/random.ts'
import { ArrivalLog, REPLAY_HEADER, replayIdOf } from '../packages/forebay/src/replay/arrival-log.ts'
import { FragileLine } from './fragile-line.ts'

const SEED = 13_071_995

const log = new ArrivalLog(systemClock)
const line = new FragileLine(systemClock, seededRandom(SEED))

function serve(request: IncomingMessage, response: ServerResponse): void {
  const atMs = log.time()
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    body += chunk
  })
  request.on('end', () => {
    const id = replayIdOf(request.headers[REPLAY_HEADER], body)
    const served = id && log.arrived(id, atMs)
    const answer = () => {
      // Nobody may be there any more: it has worked for nothing, and does not know.
      if (!request.socket.destroyed) served?.()
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"served":true}\n')
    }
    if (!line.take(answer)) response.writeHead(500, { 'content-type': 'text/plain' }).end('out of memory\n')
  })
}

function judge(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://judge')
  const run = url.searchParams.get('run') ?? ''
  if (url.pathname === '/arrivals') response.end(log.lines(run))
  else response.end(`${JSON.stringify({ arrivals: log.count(run), inside: line.inside })}\n`)
}

function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  server.keepAliveTimeout = 60_000
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

process.stdin.resume()
process.stdin.once('end', () => process.exit(0))
process.on('SIGINT', () => undefined) // A Ctrl-C reaches every process; the parent decides when this one ends.
console.log(JSON.stringify({ port: await listen(serve), judgePort: await listen(judge) }))
