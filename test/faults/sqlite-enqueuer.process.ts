/**
 * A producer to be killed, traced or starved: pushes tasks into `argv[2]` without end, or as many as `argv[4]`, and
 * prints each acknowledged id by one `write` call. `argv[3]` is the durability.
 */

import { writeSync } from 'node:fs'
import { openSqlite } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { ForebayError } from '../../packages/forebay/src/errors.ts'

const [, , path = '', durability = 'full', most = 'Infinity'] = process.argv
const queue = await openSqlite({ path, durability: durability === 'normal' ? 'normal' : 'full' })

const lanes = most === 'Infinity' ? 4 : 1
let count = 0

async function produce(lane: number): Promise<void> {
  while (count < Number(most)) {
    const id = `${process.pid}-${lane}-${++count}`
    try {
      await queue.push([{ id, type: 'charge', payload: JSON.stringify(id.repeat(20)), priority: 0, delayMs: 0 }])
      writeSync(1, `ack ${id}\n`)
    } catch (thrown) {
      writeSync(1, `fail ${thrown instanceof ForebayError ? thrown.code : String(thrown)}\n`)
    }
  }
}

await Promise.all(Array.from({ length: lanes }, (_, lane) => produce(lane)))
await queue.close()
