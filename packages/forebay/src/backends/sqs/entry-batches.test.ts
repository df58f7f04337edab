import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { ENTRIES, EntryBatches } from './entry-batches.ts'

interface Scene {
  readonly clock: VirtualClock
  readonly sent: number[][]
  readonly batches: EntryBatches<number, string>
  most: number
}

/** Each request takes `tookMs`; an item is so many bytes as it is large; an item of 13 makes its request fail. */
function scene({ lingerMs = 0, requests = 2, maxBytes = 1_000, tookMs = 10 } = {}): Scene {
  const clock = new VirtualClock()
  const sent: number[][] = []
  let underWay = 0
  const made: Scene = {
    clock,
    sent,
    most: 0,
    batches: new EntryBatches({
      clock,
      lingerMs,
      requests,
      maxBytes,
      bytesOf: (item) => item,
      send: async (items) => {
        sent.push([...items])
        made.most = Math.max(made.most, ++underWay)
        await new Promise<void>((resolve) => clock.after(tookMs, resolve))
        underWay--
        if (items.includes(13)) throw new Error('unlucky')
        return items.map((item) => `done ${item}`)
      },
    }),
  }
  return made
}

test('a single caller waits for nobody; those that come while requests are under way come together', async () => {
  const { batches, clock, sent } = scene()
  const first = batches.add(1)
  await clock.advance(0)
  expect(sent).toEqual([[1]])
  const rest = [2, 3, 4].map((item) => batches.add(item))
  await clock.advance(9)
  expect(sent).toEqual([[1]])
  await clock.advance(20)
  expect(sent).toEqual([[1], [2, 3, 4]])
  expect(await Promise.all([first, ...rest])).toEqual(['done 1', 'done 2', 'done 3', 'done 4'])
})

test('ten go at once, whatever is under way', async () => {
  const { batches, clock, sent } = scene()
  void batches.add(1)
  await clock.advance(0)
  for (let item = 20; item < 30; item++) void batches.add(item)
  expect(sent).toHaveLength(2)
  expect(sent[1]).toHaveLength(ENTRIES)
})

test('who lingers waits for company, no longer than said, and goes when there are ten', async () => {
  const { batches, clock, sent } = scene({ lingerMs: 20 })
  void batches.add(1)
  await clock.advance(19)
  void batches.add(2)
  expect(sent).toEqual([])
  await clock.advance(1)
  expect(sent).toEqual([[1, 2]])
  await clock.advance(100)
  for (let item = 20; item < 30; item++) void batches.add(item)
  expect(sent).toHaveLength(2)
})

test('law: each is answered with its own, once, in requests of at most ten, within the bytes and the requests allowed', async () => {
  const step = fc.record({ items: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 25 }), pauseMs: fc.nat(30) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.integer({ min: 0, max: 25 }), async (steps, lingerMs) => {
      const made = scene({ lingerMs })
      const { batches, clock, sent } = made
      const answers: { readonly item: number; readonly answer: Promise<string> }[] = []
      for (const { items, pauseMs } of steps) {
        for (const item of items) {
          const answer = batches.add(item).catch((thrown: Error) => thrown.message)
          answers.push({ item, answer })
        }
        await clock.advance(pauseMs)
      }
      await clock.advance(10_000)
      for (const { item, answer } of answers) expect(['unlucky', `done ${item}`]).toContain(await answer)
      expect(sent.flat()).toEqual(answers.map(({ item }) => item))
      expect(made.most).toBeLessThanOrEqual(2)
      for (const items of sent) {
        expect(items.length).toBeLessThanOrEqual(ENTRIES)
        if (items.length > 1) expect(items.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(1_000)
      }
    }),
    { numRuns: 300 },
  )
})
