/**
 * The thread that owns the file's connection: it takes all requests that have arrived, runs them as one batch, and
 * answers them, so that no other thread ever waits for the disk.
 */

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { asForebayError, ForebayError, messageOf } from '../../errors.ts'
import { Connection, type OpenDatabase } from './connection.ts'
import { ForeignChanges } from './foreign-changes.ts'
import type { FromThread, Granted, Reply, Request, ThreadData, ToThread } from './operations.ts'

/** So many requests share one transaction, at most. */
const LARGEST_BATCH = 1_000

if (parentPort === null) throw new Error('database-thread.ts runs as a worker thread')
const port = parentPort
const data = workerData as ThreadData

function say(message: FromThread): void {
  port.postMessage(message)
}

async function loadDriver(): Promise<OpenDatabase> {
  try {
    const { default: Database } = await import('better-sqlite3')
    // The binary part is loaded by the first database.
    new Database(':memory:').close()
    return (path, options) => new Database(path, options)
  } catch (thrown) {
    const message = `The package better-sqlite3 can't be loaded (${messageOf(thrown)}). Install it: npm install better-sqlite3`
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}

function serve(connection: Connection): void {
  const changes = new ForeignChanges(
    data.path,
    () => connection.version,
    () => say({ changed: true }),
  )

  const runBatch = (requests: readonly Request[]) => {
    if (requests.length === 0) return
    const replies = connection.run(requests)
    say({ replies })
    // The version is that of the batch's own transaction: a change since then is one that the claim has not seen.
    if (requests.some((request, index) => foundTooLittle(request, replies[index])))
      changes.await(connection.lastVersion)
  }

  port.on('message', (first: ToThread) => {
    let requests: Request[] = []
    for (let message: ToThread | undefined = first; message; message = receiveMessageOnPort(port)?.message) {
      if ('request' in message) {
        requests.push(message.request)
        if (requests.length < LARGEST_BATCH) continue
      }
      runBatch(requests)
      requests = []
      if ('durability' in message) connection.makeDurable()
      if ('close' in message) {
        changes.stop()
        connection.close()
        return port.close()
      }
    }
    runBatch(requests)
  })
}

/** Whether a claim was left waiting. */
function foundTooLittle(request: Request, reply: Reply | undefined): boolean {
  if (request.operation.name !== 'claim' || !reply || !('result' in reply)) return false
  return (reply.result as Granted).grants.some((claims) => claims.length === 0)
}

try {
  const connection = new Connection(data, await loadDriver())
  connection.open()
  serve(connection)
  say({ opened: true })
} catch (thrown) {
  const { code, message } = asForebayError(thrown)
  say({ opened: { code, message } })
  port.close()
}
