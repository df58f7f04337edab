import { expect, test } from 'vitest'
import { parseRedisUrl } from './redis-url.ts'

test.each([
  ['redis://localhost', { url: 'redis://localhost', prefix: undefined, cluster: false }],
  ['redis://:p%40ss@localhost:7000/2', { url: 'redis://:p%40ss@localhost:7000/2', prefix: undefined, cluster: false }],
  ['rediss://u:p@[::1]:7000?prefix=shop', { url: 'rediss://u:p@[::1]:7000', prefix: 'shop', cluster: false }],
  ['redis://localhost:7000?cluster=true', { url: 'redis://localhost:7000', prefix: undefined, cluster: true }],
])('%s', (url, address) => {
  expect(parseRedisUrl(url)).toEqual(address)
})

test.each([
  ['redis:', 'names a host'],
  ['redis:localhost', 'names a host'],
  ['http://localhost', 'names a host'],
  ['redis://localhost/orders', 'no number of a database'],
  ['redis://localhost?prefx=a', '"prefx"'],
  ['redis://localhost?cluster=yes', 'it is true or false'],
  ['redis://localhost/1?cluster=true', 'a cluster has only 0'],
])('%s is refused, and the message says why', (url, why) => {
  expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_URL' }))
  expect(() => parseRedisUrl(url)).toThrow(why)
})

test('no message repeats a password', () => {
  expect(() => parseRedisUrl('redis://user:secret@localhost/orders')).not.toThrow(/secret/)
})
