/**
 * The downstream of the benchmark: takes a task, answers after its service time, and writes down when it came.
 *
 *     node bench/plan/sink.process.ts SERVICE_TIME COUNT      prints its port
 *
 * `GET /arrivals?run=RUN` answers with the log. Task k takes what the forecast took it to take.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { parseServiceTime, serviceTimes } from '../../packages/forebay/src/planner/service-time.ts'
import { ArrivalLog, replayIdOf } from '../../packages/forebay/src/replay/arrival-log.ts'

const [, , serviceTime = '', count = ''] = process.argv
const serviceMs = serviceTimes(parseServiceTime(serviceTime), Number(count))
const log = new ArrivalLog(systemClock)

const server = createServer((request, response) => {
  const atMs = log.time()
  const run = new URL(request.url ?? '/', 'http://sink').searchParams.get('run')
  if (run !== null) {
    response.end(log.lines(run))
    return
  }
  let body = ''
  request.setEncoding('utf8').on('data', (chunk: string) => {
    body += chunk
  })
  request.on('end', async () => {
    const id = replayIdOf(undefined, body)
    const served = id && log.arrived(id, atMs)
    await sleep(systemClock, serviceMs[id?.index ?? 0] ?? 0)
    response.writeHead(204).end()
    served?.()
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})
