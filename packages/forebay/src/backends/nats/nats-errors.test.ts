import { expect, test } from 'vitest'
import { ForebayError } from '../../errors.ts'
import { fromNats, isGone, isNotThere, isOutrun, JetStreamError, NobodyListens } from './nats-errors.ts'

test.each([
  ['what another one stored first', new JetStreamError(10071, 'wrong last sequence: 7'), isOutrun],
  ['a message that is not there', new JetStreamError(10037, 'no message found'), isNotThere],
  ['one that an old server can’t delete', new JetStreamError(10057, 'no message found'), isNotThere],
  ['one behind the end', new JetStreamError(10057, 'stream store EOF'), isNotThere],
  ['a stream that is gone', new JetStreamError(10059, 'stream not found'), isGone],
  ['another stream in its place', new JetStreamError(10060, 'expected stream does not match'), isGone],
  ['a consumer that is gone', new JetStreamError(10014, 'consumer not found'), isGone],
  ['nobody', new NobodyListens('x'), isGone],
])('%s is known', (_what, thrown, is) => {
  expect([isOutrun, isNotThere, isGone].filter((one) => one(thrown))).toEqual([is])
})

test.each([
  [new JetStreamError(10023, 'insufficient resources'), 'DISK_FULL'],
  [new JetStreamError(10047, 'insufficient storage resources available'), 'DISK_FULL'],
  [new JetStreamError(10077, 'write msgs/1.blk: no space left on device'), 'DISK_FULL'],
  [new JetStreamError(10057, 'store is closed'), 'BACKEND_UNAVAILABLE'],
  [new NobodyListens('x'), 'BACKEND_UNAVAILABLE'],
  [new Error('anything'), 'BACKEND_UNAVAILABLE'],
  [new ForebayError('QUEUE_CLOSED', 'closed'), 'QUEUE_CLOSED'],
])('%s is %s', (thrown, code) => {
  expect(fromNats(thrown).code).toBe(code)
})
