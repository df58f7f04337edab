import { expect, test } from 'vitest'
import { parseNatsUrl } from './nats-url.ts'

test.each([
  ['nats://localhost', { servers: ['localhost'] }],
  ['nats://a:4222,b:4223/', { servers: ['a:4222', 'b:4223'] }],
  ['nats://me:p%40ss@a', { servers: ['a'], user: 'me', password: 'p@ss' }],
  ['nats://s3cret@a', { servers: ['a'], token: 's3cret' }],
  [
    'nats://a?prefix=shop&durability=disk&replicas=3',
    { servers: ['a'], prefix: 'shop', durability: 'disk', replicas: 3 },
  ],
])('%s', (url, expected) => {
  expect(parseNatsUrl(url)).toEqual(expected)
})

test.each([
  ['nats:', 'names no server'],
  ['nats://', 'names no server'],
  ['nats://me:secret@?prefix=x', 'names no server'],
  ['nats://a?durability=full', 'it is process or disk'],
  ['nats://me:secret@a?replica=3', 'has the parameter "replica"'],
])('%s is refused, and no message shows a secret', (url, why) => {
  expect(() => parseNatsUrl(url)).toThrow(why)
  expect(() => parseNatsUrl(url)).not.toThrow('secret')
  expect(() => parseNatsUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_URL' }))
})
