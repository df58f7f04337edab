import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { drain, newFolder, open, spawnEnqueuer } from './sqlite-scene.ts'

const ROUNDS = 6

test('kill -9 of a producer at any point loses nothing that was acknowledged', async () => {
  const path = join(newFolder(), 'queue.db')
  const random = seededRandom(20_260_713)
  const acknowledged: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // So many acknowledgements, and then somewhere in the following write.
    const enough = acknowledged.length + 1 + Math.floor(random.next() * 400)
    const child = spawnEnqueuer([path])
    for await (const line of createInterface({ input: child.stdout })) {
      expect(line).toMatch(/^ack /)
      acknowledged.push(line.slice(4))
      if (acknowledged.length === enough) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
  }

  const queue = await open(path)
  const { ready, totals } = await queue.depth()
  const there = await drain(queue)
  expect(there.length).toBe(ready)
  expect(totals?.accepted).toBe(ready)
  const found = new Set(there)
  expect(found.size).toBe(there.length)
  expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
  // An answer that was on its way when the producer died: at most one a lane and a round.
  expect(there.length - acknowledged.length).toBeLessThanOrEqual(4 * ROUNDS)
})
