import { expect, test } from 'vitest'
import { type ClaimRow, grantedOf } from './claiming.ts'
import { FIELD_END, toStored } from './stored-text.ts'

const row = (place: number, id: string, more = ''): ClaimRow => {
  const fields = [place, 1.5, 'f', 1, 1_700_000_000_000, toStored(id), 'charge', more]
  return [fields.join(FIELD_END), `"${id}"`]
}
const end = (grants: string): ClaimRow => [null, [grants, 250, '', 7, 1_000, 2].join(FIELD_END)]

test('tasks are in the order of their places, each with the token of its place in its grant', () => {
  const rows = [row(2, 'c'), row(0, 'a'), row(1, 'b\u0002')]
  const { claims, ...rest } = grantedOf([...rows, end(' 1048576 2 1048579 1')])
  expect(claims.map(({ id, token, task }) => [id, token, task.payload])).toEqual([
    ['a', '104857600', '"a"'],
    ['b\u0002', '104857601', '"b\u0002"'],
    ['c', '104857900', '"c"'],
  ])
  expect(rest).toEqual({ lastRank: 7, dueInMs: 250, low: undefined, seen: 1_000, tookMs: 2 })
})

test('a task that has nothing unusual and one that has all of it', () => {
  const common = { type: 'charge', createdAt: 1_700_000_000_000, attempts: 1 }
  const failure = { attempt: 1, at: 5, code: 'Error', message: 'm' }
  const unusual = ['k', '{"a":"b"}', [JSON.stringify(failure)], 3, 60_000, 2.5, true]
  const { claims } = grantedOf([row(0, 'a'), row(1, 'b', JSON.stringify(unusual)), end(' 1048576 2')])
  expect(claims.map(({ task }) => task)).toEqual([
    { ...common, id: 'a', payload: '"a"', priority: 0, cost: 1, headers: {}, failures: [] },
    {
      ...common,
      ...{ id: 'b', payload: '"b"', priority: 3, cost: 2.5, headers: { a: 'b' }, failures: [failure] },
      ...{ key: 'k', ttlMs: 60_000, ordered: true },
    },
  ])
})

test('nothing was granted', () => {
  expect(grantedOf([end('')]).claims).toEqual([])
})
