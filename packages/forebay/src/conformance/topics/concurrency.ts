import assert from 'node:assert/strict'
import type { Claim, QueueService, Settlement } from '../../backends/queue-service.ts'
import { seededRandom } from '../../random.ts'
import { failure, type Scene, type Topic } from '../target.ts'

const TASKS = 300

/** Tasks that are with somebody now; a second grant of one is a fault. */
class Held {
  readonly #ids = new Set<string>()

  take(claims: readonly Claim[]): void {
    for (const { id } of claims) {
      assert.ok(!this.#ids.has(id), `${id} was granted to two at a time`)
      this.#ids.add(id)
    }
  }

  give(claims: readonly Claim[]): void {
    for (const { id } of claims) this.#ids.delete(id)
  }
}

function anyOutcome(claim: Claim, chance: number): Settlement {
  if (chance < 0.5) return { claim, outcome: 'complete' }
  if (chance < 0.7) return { claim, outcome: 'retry', delayMs: 0, failure: failure(claim.task.attempts) }
  if (chance < 0.8) return { claim, outcome: 'release', delayMs: 0 }
  if (chance < 0.9) return { claim, outcome: 'expire' }
  return { claim, outcome: 'dead', reason: 'refused' }
}

async function produce(scene: Scene, queue: QueueService, count: number, chance: () => number): Promise<void> {
  for (let left = count; left > 0; ) {
    const batch = Math.min(left, 1 + Math.floor(chance() * 8))
    await queue.push(Array.from({ length: batch }, () => scene.task({ priority: Math.floor(chance() * 3) })))
    left -= batch
  }
}

interface Ended {
  readonly of: number
  count: number
}

/** Claims and settles until all have ended. */
async function consume(queue: QueueService, held: Held, chance: () => number, ended: Ended): Promise<void> {
  while (ended.count < ended.of) {
    const claims = await queue.claim({ max: 1 + Math.floor(chance() * 5), leaseMs: 600_000, waitMs: 0 })
    held.take(claims)
    const settlements = claims.map((claim) => anyOutcome(claim, chance()))
    held.give(claims)
    for (const { status } of await queue.settle(settlements)) assert.equal(status, 'settled')
    ended.count += settlements.filter(({ outcome }) => outcome !== 'retry' && outcome !== 'release').length
  }
}

export const concurrency: Topic = {
  name: 'concurrency and conservation',
  checks: [
    {
      name: 'no task is with two at a time, and every task ends exactly once',
      async run(scene) {
        const random = seededRandom(7)
        const chance = () => random.next()
        const other = await scene.openAgain()
        const held = new Held()
        const tasks = scene.many(TASKS)
        const ended = { of: tasks, count: 0 }
        await Promise.all([
          produce(scene, scene.queue, tasks / 2, chance),
          produce(scene, other, tasks / 2, chance),
          consume(scene.queue, held, chance, ended),
          consume(scene.queue, held, chance, ended),
          consume(other, held, chance, ended),
        ])
        const { ready, delayed, inFlight, dead, bytes, totals } = await scene.queue.depth()
        assert.deepEqual([ready, delayed, inFlight], [0, 0, 0])
        if (bytes !== undefined) assert.equal(bytes, 0)
        if (!totals) return
        assert.equal(totals.accepted, tasks)
        assert.equal(totals.completed + totals.expired + totals.dropped + dead, tasks)
        assert.ok(totals.completed > 0 && totals.expired > 0 && dead > 0)
      },
    },
    {
      name: 'many calls at once are each answered with their own results',
      async run(scene) {
        const tasks = Array.from({ length: scene.many(200) }, () => scene.task())
        const results = await Promise.all(tasks.map((task) => scene.queue.push([task])))
        assert.deepEqual(
          results.flat(),
          tasks.map(({ id }) => ({ status: 'accepted', id })),
        )
        const claims = (await Promise.all(tasks.map(() => scene.claim(1)))).flat()
        assert.equal(new Set(claims.map(({ id }) => id)).size, tasks.length)
        const settled = await Promise.all(claims.map((claim) => scene.settle(claim, { outcome: 'complete' })))
        assert.deepEqual(new Set(settled), new Set(['settled']))
      },
    },
  ],
}
