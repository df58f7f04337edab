/** A downstream of the replay's own: an HTTP server on loopback that takes everything and writes down when it came. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { ArrivalLog, REPLAY_HEADER, replayIdOf } from './arrival-log.ts'

/** More of a body than this is read and thrown away: a replayed body is far smaller. */
const BODY_CHARS = 262_144

export interface ReplaySink {
  readonly url: string
  readonly log: ArrivalLog
  close(): Promise<void>
}

/**
 * @param port Default 0: any that is free.
 * @throws ForebayError `ADDRESS_IN_USE`.
 */
export function openSink(clock: Clock, port = 0): Promise<ReplaySink> {
  const log = new ArrivalLog(clock)
  const server = createServer((request, response) => {
    // The time of its head: what a slow body costs is not the queue's wait.
    const atMs = log.time()
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      if (body.length < BODY_CHARS) body += chunk
    })
    request.on('end', () => {
      const id = replayIdOf(request.headers[REPLAY_HEADER], body)
      const served = id && log.arrived(id, atMs)
      response.writeHead(204).end()
      served?.()
    })
  })
  server.keepAliveTimeout = 60_000
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new ForebayError('ADDRESS_IN_USE', `The sink cannot listen on port ${port}: ${error.message}.`, {
          cause: error,
        }),
      )
    })
    server.listen(port, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const close = () =>
        new Promise<void>((closed) => {
          server.close(() => closed())
          server.closeAllConnections()
        })
      resolve({ url, log, close })
    })
  })
}
