import { expect, it } from 'vitest'
import { GroupCommit } from './group-commit.ts'

/** Commits that end when they are told to. */
function house(abreast?: number) {
  const groups: { readonly items: readonly number[]; end(): void; fail(): void }[] = []
  const commit = (items: readonly number[]) =>
    new Promise<readonly number[]>((resolve, reject) => {
      groups.push({ items, end: () => resolve(items.map((item) => 10 * item)), fail: () => reject(new Error('away')) })
    })
  return { groups, group: new GroupCommit(commit, abreast) }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
const addMany = (group: GroupCommit<number, number>, count: number) =>
  Array.from({ length: count }, (_, item) => group.add(item))

it('what comes while a commit is under way goes together into the next', async () => {
  const { groups, group } = house()
  const first = addMany(group, 2)
  await settled()
  const second = addMany(group, 200)
  await settled()
  expect(groups.map(({ items }) => items.length)).toEqual([2])
  groups[0]?.end()
  expect(await Promise.all(first)).toEqual([0, 10])
  await settled()
  expect(groups.map(({ items }) => items.length)).toEqual([2, 200])
  groups[1]?.end()
  expect((await Promise.all(second)).at(-1)).toBe(1_990)
})

it('abreast: a large group does not wait for the commit before it, a small one does, and there are never more at once', async () => {
  const { groups, group } = house(2)
  const all = [group.add(0)]
  await settled()
  all.push(...addMany(group, 255))
  await settled()
  expect(groups).toHaveLength(1)
  all.push(group.add(1))
  await settled()
  expect(groups.map(({ items }) => items.length)).toEqual([1, 256])
  all.push(...addMany(group, 500))
  await settled()
  expect(groups).toHaveLength(2)
  groups[1]?.end()
  await settled()
  expect(groups.map(({ items }) => items.length)).toEqual([1, 256, 500])
  groups[0]?.end()
  groups[2]?.end()
  expect(await Promise.all(all)).toHaveLength(757)
  // Nothing is under way: the next one alone goes at once.
  const last = group.add(7)
  await settled()
  groups[3]?.end()
  expect(await last).toBe(70)
})

it('who is in a commit that fails is told so, and the next ones are not', async () => {
  const { groups, group } = house(3)
  const lost = addMany(group, 3)
  await settled()
  const next = group.add(4)
  groups[0]?.fail()
  expect((await Promise.allSettled(lost)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await settled()
  groups[1]?.end()
  expect(await next).toBe(40)
})
