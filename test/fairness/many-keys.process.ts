/**
 * Run with --expose-gc. Very many keys come and go in a `memory:` queue; prints the heap in use, in bytes, after a first part of
 * them and after all.
 *
 * argv: how many keys, how many of them are queued at a time, whether another key keeps a backlog all the while.
 */

import { openMemory } from '../../packages/forebay/src/backends/memory/memory-queue-service.ts'

const [keys = 0, atOnce = 0, backlog = 0] = process.argv.slice(2).map(Number)
const queue = openMemory()
const task = (id: string, key: string) => ({ id, type: 't', payload: '1', priority: 0, delayMs: 0, key, weight: 1 })

function heapUsed(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function comeAndGo(from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += atOnce) {
    for (let n = at; n < at + atOnce; n += 1_000) {
      await queue.push(Array.from({ length: 1_000 }, (_, more) => task(`t${n + more}`, `key ${n + more}`)))
    }
    while ((await queue.depth()).ready > backlog) {
      const claims = await queue.claim({ max: 1_000, leaseMs: 60_000, waitMs: 0 })
      const standing = claims.filter(({ task: { key } }) => key === 'standing')
      await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
      await queue.push(standing.map(({ id }) => task(`${id}+`, 'standing')))
    }
  }
}

await queue.push(Array.from({ length: backlog }, (_, n) => task(`s${n}`, 'standing')))
const first = Math.ceil(keys / 10 / atOnce) * atOnce
await comeAndGo(0, first)
const early = heapUsed()
await comeAndGo(first, keys - first)
process.stdout.write(JSON.stringify({ early, late: heapUsed(), ready: (await queue.depth()).ready }))
await queue.close()
