import { expect, test } from 'vitest'
import { checkSchema, parsePostgresUrl, whereOf } from './postgres-url.ts'

test('our own parameters are taken out, those of pg stay', () => {
  const url = 'postgres://user:secret@db.example:6543/shop?sslmode=require&schema=queues&connections=3'
  expect(parsePostgresUrl(url)).toEqual({
    url: 'postgres://user:secret@db.example:6543/shop?sslmode=require',
    schema: 'queues',
    connections: 3,
  })
  expect(parsePostgresUrl('postgresql://localhost/shop')).toEqual({ url: 'postgresql://localhost/shop' })
})

test.each(['postgres://user:secret@', 'postgres://user:secret@:x/', 'postgres://user:secret@h/d?connections=0'])(
  '%s is refused without telling the password',
  (url) => {
    expect(() => parsePostgresUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_URL' }))
    expect(() => parsePostgresUrl(url)).not.toThrow('secret')
  },
)

test.each(['', 'Queues', 'a-b', 'a"b', '1a', 'pg_queues', 'a'.repeat(33)])('"%s" is no schema', (schema) => {
  expect(() => checkSchema(schema)).toThrow(expect.objectContaining({ code: 'INVALID_URL' }))
})

test('a message says where it leads, and not as whom', () => {
  expect(whereOf('postgres://user:secret@db.example/shop')).toBe('db.example:5432/shop')
  expect(whereOf('postgres:///shop')).toBe('localhost:5432/shop')
})
