/**
 * Claims the next task of a queue and prints `granted ID ATTEMPTS`; then completes it for each line on its standard input,
 * and prints what became of that.
 */

import { createInterface } from 'node:readline'
import { openRabbitmq } from '../../../packages/forebay/src/backends/rabbitmq/open-rabbitmq.ts'

const [, , url = '', queue = '', leaseMs = '60000'] = process.argv
const service = await openRabbitmq({ url, queue })
const [claim] = await service.claim({ max: 1, leaseMs: Number(leaseMs), waitMs: 10_000 })
if (!claim) throw new Error('nothing was granted')
process.stdout.write(`granted ${claim.id} ${claim.task.attempts}\n`)
for await (const _ of createInterface({ input: process.stdin })) {
  const [result] = await service.settle([{ claim, outcome: 'complete' }])
  process.stdout.write(`${result?.status}\n`)
}
await service.close()
