import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { ArrivalLog, formatReplayId, parseArrivals, replayIdOf } from './arrival-log.ts'

it('knows a request by its header or its body', () => {
  const id = { run: 'a1b2', index: 7 }
  expect(replayIdOf(formatReplayId(id), '')).toEqual(id)
  expect(replayIdOf(undefined, JSON.stringify({ replay: formatReplayId(id) }))).toEqual(id)
  expect(replayIdOf(undefined, '{"other":"a1b2.7"}')).toBeUndefined()
  expect(replayIdOf('no id', '')).toBeUndefined()
})

it('keeps runs apart and tells its times through its lines', async () => {
  const clock = new VirtualClock()
  const log = new ArrivalLog(clock)
  const start = log.time()
  await clock.advance(40)
  const served = log.arrived({ run: 'one', index: 3 }, log.time())
  log.arrived({ run: 'two', index: 3 }, log.time())
  served()
  expect(parseArrivals(log.lines('one'), start)).toEqual([{ index: 3, atMs: 40, served: true }])
  expect(parseArrivals(log.lines('two'), start)).toEqual([{ index: 3, atMs: 40, served: false }])
  expect(log.count('one')).toBe(1)
  expect(log.lines('none')).toBe('')
})

it.each(['{', '{"index":1}', 'null'])('refuses arrivals such as %s', (line) => {
  expect(() => parseArrivals(line, 0)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
})
