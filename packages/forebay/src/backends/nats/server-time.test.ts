import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import type { JetStream } from './jetstream.ts'
import { ServerTime } from './server-time.ts'

/** A server whose clock is `ahead` of ours, at the end of a line with these delays. */
function server(clock: VirtualClock, ahead: number, delays: readonly number[]) {
  let turn = 0
  let storedAt = 0
  let asked = 0
  const pass = () => new Promise<void>((resolve) => void clock.after(delays[turn++ % delays.length] as number, resolve))
  const jetstream = {
    publish: async () => {
      asked++
      await pass()
      storedAt = clock.monotonic() + ahead
      await pass()
      return 1
    },
    last: async () => ({ subject: 'k', sequence: 1, storedAt, data: new Uint8Array() }),
  } satisfies Pick<JetStream, 'publish' | 'last'>
  return { time: new ServerTime(clock, jetstream as unknown as JetStream, 'marks', 'k'), asked: () => asked }
}

test('law: a reading is wrong by no more than its error says', async () => {
  const delays = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 6 })
  const offset = fc.double({ min: -1e12, max: 1e12, noNaN: true })
  await fc.assert(
    fc.asyncProperty(offset, delays, async (ahead, some) => {
      const clock = new VirtualClock()
      const reading = server(clock, ahead, some).time.now()
      await clock.advance(2_000)
      const { error, ahead: read } = await reading
      expect(Math.abs(read - ahead)).toBeLessThanOrEqual(error + 1e-3)
    }),
    { numRuns: 1_000 },
  )
})

test('the server is asked once for all who ask, and again only when the reading is old or forgotten', async () => {
  const clock = new VirtualClock()
  const { time, asked } = server(clock, 500, [1])
  const readings = Promise.all([time.now(), time.now()])
  await clock.advance(10)
  await readings
  await clock.advance(20_000)
  expect((await time.now()).now).toBe(clock.monotonic() + 500)
  expect(asked()).toBe(1)
  await clock.advance(15_000)
  const again = time.now()
  await clock.advance(10)
  await again
  expect(asked()).toBe(2)
  time.forget()
  const anew = time.now()
  await clock.advance(10)
  await anew
  expect(asked()).toBe(3)
})
