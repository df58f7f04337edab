/** A holder that stands still beyond its lease. */

import { expect, test } from 'vitest'
import { haveRedis } from '../servers/redis.ts'
import { open, startServer, task, Worker } from './redis-scene.ts'

if (haveRedis('a consumer that is stopped beyond its lease')) {
  test('a consumer that was stopped beyond its lease finds its tokens stale, and changes nothing', async () => {
    const server = await startServer()
    const queue = await open(server.url)
    const lines: string[] = []
    let told: (() => void) | undefined
    const worker = new Worker([server.url, 'hold', '1000'], (line) => {
      lines.push(line)
      told?.()
    })
    const heard = (event: string) =>
      new Promise<string>((resolve) => {
        told = () => {
          const line = lines.find((one) => one.startsWith(event))
          if (line !== undefined) resolve(line)
        }
        told()
      })
    await queue.push([task('a')])
    const granted = await heard('grant')
    worker.process.kill('SIGSTOP')
    const [again] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect(again?.id).toBe('a')
    expect(again?.task.attempts).toBe(2)
    expect(granted).not.toContain(again?.token)
    worker.process.kill('SIGCONT')
    // Tells it to go on and settle.
    worker.process.stdin.write('\n')
    expect(await heard('stale')).toContain('stale a ')
    const { inFlight, totals } = await queue.depth()
    expect([inFlight, totals?.completed]).toEqual([1, 0])
    expect(await queue.settle([{ claim: again ?? { id: '', token: '' }, outcome: 'complete' }])).toEqual([
      { status: 'settled' },
    ])
  })
}
