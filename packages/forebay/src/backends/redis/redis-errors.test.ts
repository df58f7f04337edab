import { expect, test } from 'vitest'
import { ForebayError } from '../../errors.ts'
import { fromRedis, isMissingScript, pointsElsewhere, replyCode } from './redis-errors.ts'

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

test.each([
  ["READONLY You can't write against a read only replica. script: 0a1b, on @user_script:5.", 'READONLY'],
  ["-READONLY You can't write against a read only replica.", 'READONLY'],
  ["OOM command not allowed when used memory > 'maxmemory'. script: 0a1b, on @user_script:9.", 'OOM'],
  ['ERR Error running script (call to f_0a1b): @user_script:9: @user_script: 9: -OOM command not allowed', 'OOM'],
  ['NOSCRIPT No matching script.', 'NOSCRIPT'],
  ['ERR user_script:3: attempt to index a nil value', 'ERR'],
])('the code of %s', (message, code) => {
  expect(replyCode(reply(message))).toBe(code)
})

test('what the server refuses for now is BACKEND_UNAVAILABLE and says that nothing was done', () => {
  for (const code of [
    'READONLY',
    'LOADING',
    'OOM',
    'CLUSTERDOWN',
    'MISCONF',
    'NOREPLICAS',
    'BUSY',
    'NOAUTH',
    'NOPERM',
  ]) {
    const error = fromRedis(reply(`${code} as it says`))
    expect(error.code).toBe('BACKEND_UNAVAILABLE')
    expect(error.message).toContain('nothing was done')
    expect(error.message).toContain(code)
  }
})

test('a lost connection leaves open whether it was done', () => {
  const error = fromRedis(new Error('Connection is closed.'))
  expect(error.code).toBe('BACKEND_UNAVAILABLE')
  expect(error.message).toContain('is not known')
})

test('anything else is INTERNAL, and ours stays as it is', () => {
  expect(fromRedis(reply('WRONGTYPE Operation against a key')).code).toBe('INTERNAL')
  const ours = new ForebayError('QUEUE_CLOSED', 'The queue was closed.')
  expect(fromRedis(ours)).toBe(ours)
})

test('a replica is left for another server, a missing script is told', () => {
  expect(pointsElsewhere(reply('READONLY a'))).toBe(true)
  expect(pointsElsewhere(reply('OOM a'))).toBe(false)
  expect(pointsElsewhere(new Error('READONLY a'))).toBe(false)
  expect(isMissingScript(reply('NOSCRIPT a'))).toBe(true)
})
