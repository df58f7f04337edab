import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { NewTask, Newcomer } from '../../backends/queue-service.ts'
import { type Check, failure, ids, Scene, type Topic } from '../target.ts'

const skip: Check['skip'] = ({ ahead }) => (ahead ? undefined : 'the engine can’t tell a newcomer’s place')
const withLines: Check['skip'] = (capabilities, target) =>
  skip(capabilities, target) ?? (capabilities.fairness ? undefined : 'the engine serves all keys in one line')

async function ahead(scene: Scene, newcomer: Partial<Newcomer> = {}): Promise<number | undefined> {
  return (await scene.queue.depth({ priority: 0, ...newcomer })).ahead
}

function times(count: number, fields: Partial<NewTask>): Partial<NewTask>[] {
  return Array.from({ length: count }, () => fields)
}

const row = fc.record({
  pushes: fc.array(
    fc.record({ key: fc.option(fc.nat(4)), tasks: fc.integer({ min: 1, max: 5 }), granted: fc.nat(4) }),
    {
      maxLength: 8,
    },
  ),
  own: fc.option(fc.nat(5)),
})

const line = (key: number | null) => (key === null ? {} : { key: `k${key}`, weight: 1 })

/**
 * Where all tasks are alike the place that is told is the very number of grants before the newcomer, but for ties with other
 * lines, which the rounding of an engine’s numbers may decide.
 */
async function law(scene: Scene, { pushes, own }: typeof row extends fc.Arbitrary<infer Row> ? Row : never) {
  for (const { key, tasks, granted } of pushes) {
    await scene.push(...times(tasks, line(key)))
    if (granted > 0) await scene.claim(granted)
  }
  const told = await ahead(scene, line(own))
  const [newcomer] = await scene.push(line(own))
  const granted = ids(await scene.claim(100))
  const place = granted.indexOf(newcomer as string)
  const lines = new Set(pushes.map(({ key }) => key)).size
  assert.ok(
    Math.abs(place - (told as number)) <= lines,
    `it was told ${told} and had ${place} before it, of ${lines} lines`,
  )
  if (lines <= 2) assert.equal(place, told)
}

export const aheadOf: Topic = {
  name: 'ahead',
  checks: [
    {
      name: 'is told only to who asks, and nothing is ahead in an empty queue',
      skip,
      async run(scene) {
        assert.equal('ahead' in (await scene.queue.depth()), false)
        assert.equal(await ahead(scene), 0)
      },
    },
    {
      name: 'in one line of equal priorities it is all that is ready, what has just fallen due included',
      skip,
      async run(scene) {
        await scene.push(...times(4, {}), { delayMs: 100 }, { delayMs: 60_000 })
        assert.equal(await ahead(scene), 4)
        await scene.claim(1, { leaseMs: 100 })
        assert.equal(await ahead(scene), 3)
        await scene.elapse(150)
        assert.equal(await ahead(scene), 5)
        const [claim] = await scene.claim(1)
        assert.ok(claim)
        await scene.settle(claim, { outcome: 'retry', delayMs: 0, failure: failure(1) })
        assert.equal(await ahead(scene), 5)
      },
    },
    {
      name: 'an urgent newcomer has only those before it that are as urgent',
      skip: (capabilities, target) =>
        skip(capabilities, target) ?? (capabilities.priority === 'none' ? 'the engine has no priorities' : undefined),
      async run(scene) {
        await scene.push(...times(5, {}), { priority: 3 }, { priority: 7 }, { priority: -1 })
        assert.equal(await ahead(scene, { priority: 8 }), 0)
        assert.equal(await ahead(scene, { priority: 5 }), 1)
        assert.equal(await ahead(scene), 7)
        assert.equal(await ahead(scene, { priority: -5 }), 8)
      },
    },
    {
      name: 'a newcomer’s key decides: few go before one of a new key, many before one of a busy key',
      skip: withLines,
      async run(scene) {
        await scene.push(...times(40, { key: 'a', weight: 1 }), ...times(3, { key: 'b', weight: 1 }))
        assert.equal(await ahead(scene, { key: 'new', weight: 1 }), 2)
        assert.equal(await ahead(scene, { key: 'a', weight: 1 }), 43)
        const b = (await ahead(scene, { key: 'b', weight: 1 })) ?? 0
        assert.ok(b === 6 || b === 7, `${b}`)
      },
    },
    {
      name: 'a key of twice the weight has half as much of the others before it',
      skip: withLines,
      async run(scene) {
        await scene.push(...times(50, { key: 'a', weight: 1 }), ...times(10, { key: 'b', weight: 2 }))
        const place = (await ahead(scene, { key: 'b', weight: 2 })) ?? 0
        assert.ok(Math.abs(place - 15) <= 1, `${place}`)
      },
    },
    {
      name: 'law: where all tasks are alike, as many are granted before the newcomer as it was told, but for ties',
      skip: (capabilities, target) => {
        const reason = withLines(capabilities, target)
        return reason ?? (target.exactTime ? undefined : 'it would take too long')
      },
      async run({ target, queue }) {
        const numRuns = queue.capabilities.durability === 'none' ? 1_000 : 100
        await fc.assert(
          fc.asyncProperty(row, async (some) => {
            const scene = await Scene.set(target)
            try {
              await law(scene, some)
            } finally {
              await scene.close()
            }
          }),
          { numRuns },
        )
      },
    },
  ],
}
