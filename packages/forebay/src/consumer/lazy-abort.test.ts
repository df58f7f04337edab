import { expect, it } from 'vitest'
import { LazyAbort } from './lazy-abort.ts'

it('a signal that was asked for before aborts with the reason, and one that is asked for afterwards has', () => {
  const reason = new Error('enough')
  const before = new LazyAbort()
  const { signal } = before
  expect(signal.aborted).toBe(false)
  expect([before.abort(reason), before.abort(new Error('too late'))]).toEqual([true, false])
  expect([signal.aborted, signal.reason, before.signal]).toEqual([true, reason, signal])
  const after = new LazyAbort()
  after.abort(reason)
  expect([after.aborted, after.reason, after.signal.aborted, after.signal.reason]).toEqual([true, reason, true, reason])
})
