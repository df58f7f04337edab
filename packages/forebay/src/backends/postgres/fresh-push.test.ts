import { expect, test } from 'vitest'
import { ForebayError } from '../../errors.ts'
import type { Bounds, NewTask } from '../queue-service.ts'
import { FreshPush } from './fresh-push.ts'

const task = (id: string, more: Partial<NewTask> = {}): NewTask => ({
  ...{ id, type: 't', payload: '"ü"', priority: 0, delayMs: 0, isFresh: true },
  ...more,
})

/** A server that answers rank 7, or refuses; and which statements it was asked. */
function house(refusal?: unknown) {
  const asked: { name: string; values: unknown[] }[] = []
  const rows = async (name: string, _text: string, values: unknown[]) => {
    asked.push({ name, values })
    if (refusal !== undefined) throw refusal
    return [[7]]
  }
  return { asked, push: new FreshPush({ schema: 's', rows }, 3) }
}

const refused = (code: string) => {
  const cause = Object.assign(new Error('no'), { code, severity: 'ERROR' })
  return new ForebayError('INTERNAL', 'no', { cause })
}

test('one task and several have a statement each, and their bytes are counted', async () => {
  const { asked, push } = house()
  expect(await push.push([task('a', { key: 'k' })], {})).toBe(7)
  expect(await push.push([task('a'), task('b')], { overflow: 'reject' })).toBe(7)
  expect(asked.map(({ name }) => name)).toEqual(['push_one_fresh', 'push_many_fresh'])
  expect(asked[0]?.values).toEqual([3, 'a', 't', '"ü"', 'k', undefined, 4])
  expect(asked[1]?.values.slice(-2)).toEqual([8, 2])
})

const others: [string, NewTask[], Bounds][] = [
  ['one that has a name of its own', [task('a'), task('b', { isFresh: false })], {}],
  ['one with a delay', [task('a', { delayMs: 1 })], {}],
  ['one with a priority', [task('a', { priority: 1 })], {}],
  ['a bounded depth', [task('a')], { maxDepth: 1 }],
  ['bounded bytes', [task('a')], { maxBytes: 1 }],
]
test.each(others)('%s goes another way, and the server is not asked', async (_, tasks, bounds) => {
  const { asked, push } = house()
  expect(await push.push(tasks, bounds)).toBeUndefined()
  expect(asked).toEqual([])
})

test('an id that is there already goes another way, any other refusal is one', async () => {
  expect(await house(refused('23505')).push.push([task('a')], {})).toBeUndefined()
  await expect(house(refused('53100')).push.push([task('a')], {})).rejects.toThrow('no')
})
