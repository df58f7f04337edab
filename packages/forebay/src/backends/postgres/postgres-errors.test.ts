import { expect, test } from 'vitest'
import { ForebayError } from '../../errors.ts'
import { fromPostgres, isConflict, sparesConnection, TimedOut } from './postgres-errors.ts'

function serverError(code: string, severity = 'ERROR'): Error {
  return Object.assign(new Error('it says why'), { code, severity })
}

test.each([
  ['53100', 'DISK_FULL', 'nothing was stored'],
  ['55P03', 'BACKEND_LOCKED', 'nothing was done'],
  ['40P01', 'BACKEND_LOCKED', 'nothing was done'],
  ['57014', 'BACKEND_UNAVAILABLE', 'nothing was done'],
  ['25006', 'BACKEND_UNAVAILABLE', 'read-only'],
  ['57P01', 'BACKEND_UNAVAILABLE', 'is not known'],
  ['57P03', 'BACKEND_UNAVAILABLE', 'nothing was done'],
  ['08006', 'BACKEND_UNAVAILABLE', 'is not known'],
  ['53300', 'BACKEND_UNAVAILABLE', 'nothing was done'],
  ['58030', 'BACKEND_UNAVAILABLE', 'nothing was done'],
  ['XX001', 'BACKEND_CORRUPT', 'damaged'],
  ['42P01', 'BACKEND_CORRUPT', 'tables'],
  ['3D000', 'INVALID_URL', 'no such database'],
  ['28P01', 'INVALID_URL', 'does not let this user in'],
  ['42501', 'INVALID_URL', 'does not allow'],
  ['42P07', 'INVALID_URL', 'another application'],
  ['22012', 'INTERNAL', 'Nothing was done'],
])('%s is %s, and says what is true then', (code, expected, says) => {
  const error = fromPostgres(serverError(code), 'host:5432/db')
  expect(error.code).toBe(expected)
  expect(error.message).toContain(says)
  expect(error.message).toContain('host:5432/db')
  expect(error.message).toContain(`it says why, ${code}`)
})

test('what is no error of the server leaves open whether it was done, unless nothing was sent', () => {
  expect(fromPostgres(new Error('Connection terminated unexpectedly'), 'x')).toMatchObject({
    code: 'BACKEND_UNAVAILABLE',
    message: expect.stringContaining('Whether this was done is not known'),
  })
  expect(fromPostgres(new TimedOut('no answer', true), 'x').message).toContain('is not known')
  expect(fromPostgres(new TimedOut('no connection', false), 'x').message).toContain('Nothing was done')
  const ours = new ForebayError('QUEUE_CLOSED', 'closed')
  expect(fromPostgres(ours, 'x')).toBe(ours)
})

test('which errors are tried again, and which spare the connection', () => {
  expect(['40001', '40P01', '40002', '55P03'].map((code) => isConflict(serverError(code)))).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(isConflict(new Error('40001'))).toBe(false)
  const spared = ['40001', '55P03', '53100', '25006', '57P01', 'XX000'].map((code) =>
    sparesConnection(serverError(code)),
  )
  expect(spared).toEqual([true, true, true, false, false, false])
  expect(sparesConnection(serverError('53100', 'FATAL'))).toBe(false)
  expect(sparesConnection(new Error('Connection terminated'))).toBe(false)
})
