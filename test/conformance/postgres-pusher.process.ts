/** Another process: pushes one task into queue `argv[3]` of the server `argv[2]` for each line on its standard input. */

import { createInterface } from 'node:readline'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'

const [, , url = '', name = ''] = process.argv
const queue = await openPostgres({ url, queue: name })
process.stdout.write('ready\n')
for await (const id of createInterface({ input: process.stdin })) {
  await queue.push([{ id, type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
}
await queue.close()
