import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GroupRelay } from './group-relay.ts'

/** Commits that end when they are told to. */
function house() {
  const groups: { readonly items: readonly number[]; end(): void; fail(): void }[] = []
  const commit = (items: readonly number[]) =>
    new Promise<readonly number[]>((resolve, reject) => {
      groups.push({ items, end: () => resolve(items.map((item) => 10 * item)), fail: () => reject(new Error('away')) })
    })
  const relay = new GroupRelay(commit)
  const sizes = () => groups.map(({ items }) => items.length)
  return { groups, relay, sizes }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** So many callers, each of which comes again when it is answered. */
function callers(relay: GroupRelay<number, number>, count: number) {
  let next = 0
  const answers: number[] = []
  for (let caller = 0; caller < count; caller++) {
    const call = async () => {
      for (;;) answers.push(await relay.add(next++))
    }
    call().catch(() => {})
  }
  return answers
}

it('a caller alone waits for nobody, and a loop of calls makes one group', async () => {
  const { groups, relay, sizes } = house()
  const first = relay.add(1)
  await settled()
  groups[0]?.end()
  expect(await first).toBe(10)
  const loop = Array.from({ length: 50 }, (_, item) => relay.add(item))
  await settled()
  expect(sizes()).toEqual([1, 50])
  groups[1]?.end()
  expect((await Promise.all(loop)).at(-1)).toBe(490)
})

it('many callers fall into two halves, of which one is made while the other is under way', async () => {
  const { groups, relay, sizes } = house()
  callers(relay, 10)
  await settled()
  groups[0]?.end()
  await settled()
  expect(sizes()).toEqual([10, 5, 5])
  for (let turn = 1; turn <= 6; turn++) {
    groups[turn]?.end()
    await settled()
    // The other half is still under way.
    expect(sizes()).toEqual([10, ...Array(turn + 2).fill(5)])
  }
})

it('two halves that are answered together are two halves again', async () => {
  const { groups, relay, sizes } = house()
  callers(relay, 20)
  await settled()
  groups[0]?.end()
  await settled()
  for (const at of [1, 3, 5]) {
    groups[at]?.end()
    groups[at + 1]?.end()
    await settled()
  }
  expect(sizes()).toEqual([20, ...Array(8).fill(10)])
})

it('halves that are answered together again and again become one group, and are tried again later', async () => {
  const { groups, relay, sizes } = house()
  callers(relay, 10)
  await settled()
  const endAll = async (from: number) => {
    for (const group of groups.slice(from)) group.end()
    await settled()
  }
  for (let round = 0; round < 20; round++) await endAll(groups.length - (sizes().at(-1) === 10 ? 1 : 2))
  expect(sizes().slice(0, 5)).toEqual([10, 5, 5, 5, 5])
  expect(sizes().at(-1)).toBe(10)
  const gaveUpAt = sizes().indexOf(10, 1)
  while (sizes().at(-1) === 10 && groups.length < 300) await endAll(groups.length - 1)
  expect(sizes().slice(gaveUpAt)).toEqual([...Array(128).fill(10), 5, 5])
})

it('few callers are one group: halves of them would not be worth two commits', async () => {
  const { groups, relay, sizes } = house()
  callers(relay, 7)
  for (let turn = 0; turn < 4; turn++) {
    await settled()
    groups[turn]?.end()
  }
  await settled()
  expect(sizes()).toEqual([7, 7, 7, 7, 7])
})

it('who is in a commit that fails is told so, and the other one is not', async () => {
  const { groups, relay, sizes } = house()
  const first = Array.from({ length: 10 }, (_, item) => relay.add(item))
  await settled()
  groups[0]?.end()
  await Promise.all(first)
  const lost = Array.from({ length: 5 }, (_, item) => relay.add(item))
  const kept = Array.from({ length: 5 }, (_, item) => relay.add(item))
  expect(sizes()).toEqual([10, 5, 5])
  groups[1]?.fail()
  groups[2]?.end()
  expect((await Promise.allSettled(lost)).every(({ status }) => status === 'rejected')).toBe(true)
  expect(await Promise.all(kept)).toEqual([0, 10, 20, 30, 40])
})

it('whoever comes and whichever commit ends first: all go in the order of their coming, no more than two at once, none is left', async () => {
  const step = fc.oneof(
    fc.record({ come: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ end: fc.integer({ min: 0, max: 1 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { groups, relay } = house()
      const answers: Promise<number>[] = []
      const open = new Set<number>()
      const seen = () => {
        for (let at = open.size === 0 ? 0 : Math.max(...open) + 1; at < groups.length; at++)
          if (!ended.has(at)) open.add(at)
      }
      const ended = new Set<number>()
      const end = async (which: number) => {
        const at = [...open][which % open.size] as number
        open.delete(at)
        ended.add(at)
        groups[at]?.end()
        await settled()
        seen()
      }
      for (const one of steps) {
        if ('come' in one) for (let count = 0; count < one.come; count++) answers.push(relay.add(answers.length))
        else if (open.size > 0) await end(one.end)
        await settled()
        seen()
        expect(open.size).toBeLessThanOrEqual(2)
      }
      while (open.size > 0) await end(0)
      expect(groups.flatMap(({ items }) => items)).toEqual(answers.map((_, index) => index))
      expect(await Promise.all(answers)).toEqual(answers.map((_, index) => 10 * index))
    }),
    { numRuns: 1_000 },
  )
})
