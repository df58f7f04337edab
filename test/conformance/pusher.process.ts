/** Another process: pushes one task into the queue of `argv[2]` for each line on its standard input. */

import { createInterface } from 'node:readline'
import { openSqlite } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'

const queue = await openSqlite({ path: process.argv[2] as string })
process.stdout.write('ready\n')
for await (const id of createInterface({ input: process.stdin })) {
  await queue.push([{ id, type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
}
await queue.close()
