import { expect, test } from 'vitest'
import type { NewTask } from '../queue-service.ts'
import { distinctRuns, pushResults } from './pushing.ts'

const task = (id: string, more: Partial<NewTask> = {}): NewTask => ({
  id,
  type: 'charge',
  payload: '1',
  priority: 0,
  delayMs: 0,
  ...more,
})
const runs = (...tasks: NewTask[]) => [...distinctRuns(tasks)].map((run) => run.map(({ id }) => id))

test('no run has an id or a dedup id twice, and their order is kept', () => {
  const dedup = { id: 'a', windowMs: 1 }
  expect(runs(task('a'), task('b'), task('a'), task('c'))).toEqual([
    ['a', 'b'],
    ['a', 'c'],
  ])
  expect(runs(task('a', { dedup }), task('b'), task('c', { dedup }))).toEqual([['a', 'b'], ['c']])
  // An id and a dedup id are not the same name.
  expect(runs(task('a'), task('b', { dedup }))).toEqual([['a', 'b']])
  expect(runs()).toEqual([])
})

test('runs are bounded in number and in bytes, and a large task still goes', () => {
  const many = Array.from({ length: 2_500 }, (_, n) => task(`t${n}`))
  expect([...distinctRuns(many)].map((run) => run.length)).toEqual([1_000, 1_000, 500])
  const large = 'x'.repeat(10 * 1024 * 1024)
  expect(runs(task('a', { payload: large }), task('b', { payload: large }), task('c'))).toEqual([['a'], ['b', 'c']])
})

test('an answer of nothing is that all are accepted; else each has its own', () => {
  const tasks = ['a', 'b', 'c', 'd', 'e'].map((id) => task(id))
  expect(pushResults(tasks.slice(0, 2), [null, null, 0])).toEqual([
    { status: 'accepted', id: 'a' },
    { status: 'accepted', id: 'b' },
  ])
  expect(pushResults(tasks, [[0, 1, 2, 3, 4], ['a', 'first', 'other', 'd', 'e'], null])).toEqual([
    { status: 'accepted', id: 'a' },
    { status: 'duplicate', id: 'first' },
    { status: 'conflict', id: 'other' },
    { status: 'full', bound: 'depth' },
    { status: 'full', bound: 'bytes' },
  ])
})

test('who had others give way to it says whom', () => {
  const tasks = [task('a'), task('b'), task('c')]
  expect(pushResults(tasks, [[0, 3, 0], ['a', 'b', 'c'], 1, ['x', 'y', 'z'], [1, 3, 3]])).toEqual([
    { status: 'accepted', id: 'a', dropped: ['x'] },
    { status: 'full', bound: 'depth' },
    { status: 'accepted', id: 'c', dropped: ['y', 'z'] },
  ])
})
