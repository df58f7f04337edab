import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JetStreamError } from './nats-errors.ts'
import { StreamEnd } from './stream-end.ts'

const ANCHOR = 'anchor'

/** A stream in memory. Every question to it takes its time, as the scheduler has it. */
class Stream {
  readonly messages = new Map<number, string>()
  readonly texts = new Map<number, string>()
  last = 0
  /** More are refused. */
  room = Number.POSITIVE_INFINITY
  /** What was seen after any of the steps and must not be. */
  emptied = false
  anchorsStored = 0
  run = 'first'

  store(subject: string): number {
    if (this.messages.size >= this.room) throw new JetStreamError(10077, 'maximum messages exceeded')
    this.messages.set(++this.last, subject)
    return this.last
  }

  remove(sequence: number): boolean {
    const wasThere = this.messages.delete(sequence)
    this.emptied ||= this.last > 0 && !this.messages.has(this.last)
    return wasThere
  }

  lastOn(subject: string): number | undefined {
    return [...this.messages].findLast(([, one]) => one === subject)?.[0]
  }
}

/** The part of JetStream that the end of a stream needs. */
function jetstreamOf(stream: Stream, pass: () => Promise<unknown>): ConstructorParameters<typeof StreamEnd>[0] {
  return {
    async publish(subject, data, { lastSequence } = {}) {
      await pass()
      if ((stream.lastOn(subject) ?? 0) !== lastSequence) throw new JetStreamError(10071, 'wrong last sequence')
      const sequence = stream.store(subject)
      stream.anchorsStored++
      stream.texts.set(sequence, String(data))
      await pass()
      return sequence
    },
    async last(_stream, subject) {
      await pass()
      const sequence = stream.lastOn(subject)
      await pass()
      return sequence === undefined
        ? undefined
        : { subject, sequence, storedAt: 0, data: Buffer.from(stream.texts.get(sequence) ?? '') }
    },
    get run() {
      return stream.run
    },
    async forget(_stream, sequence) {
      await pass()
      return stream.remove(sequence)
    },
  }
}

/** A process: stores tasks, and removes any that is there, its own or another's. */
interface Step {
  readonly process: number
  readonly does: 'store' | 'remove' | 'tidy' | 'reconnect'
  readonly which: number
}

const steps = fc.array(
  fc.record<Step>({
    process: fc.nat(2),
    does: fc.oneof(
      { weight: 4, arbitrary: fc.constant('store' as const) },
      { weight: 6, arbitrary: fc.constant('remove' as const) },
      { weight: 1, arbitrary: fc.constantFrom('tidy' as const, 'reconnect' as const) },
    ),
    which: fc.nat(),
  }),
  { minLength: 1, maxLength: 30 },
)

test('whatever several processes store and remove at the same time, the last message is never removed', async () => {
  const property = fc.asyncProperty(fc.scheduler(), steps, async (scheduler, all) => {
    const stream = new Stream()
    const jetstream = jetstreamOf(stream, () => scheduler.schedule(Promise.resolve()))
    const ends = Array.from({ length: 3 }, () => new StreamEnd(jetstream, 'tasks', ANCHOR))
    const perform = async ({ process, does, which }: Step) => {
      const end = ends[process] as StreamEnd
      await scheduler.schedule(Promise.resolve())
      if (does === 'store') return end.know(stream.store('task'))
      if (does === 'reconnect') return end.forget()
      const there = [...stream.messages].filter(([, subject]) => (subject === ANCHOR) === (does === 'tidy'))
      const sequence = there[which % Math.max(1, there.length)]?.[0]
      if (sequence === undefined) return
      if (does === 'tidy') return end.forgetOld(sequence)
      await end.passes(sequence)
      stream.remove(sequence)
    }
    await scheduler.waitFor(Promise.all(all.map(perform)))
    expect(stream.emptied).toBe(false)
    expect([...stream.messages.values()].filter((subject) => subject === ANCHOR).length).toBeLessThanOrEqual(1)
  })
  await fc.assert(property, { numRuns: 1_000 })
})

test('one anchor serves all that were stored before it', async () => {
  const stream = new Stream()
  const end = new StreamEnd(
    jetstreamOf(stream, async () => undefined),
    'tasks',
    ANCHOR,
  )
  for (let count = 0; count < 100; count++) stream.store('task')
  const remove = async (sequence: number) => {
    await end.passes(sequence)
    stream.remove(sequence)
  }
  await Promise.all(Array.from({ length: 100 }, (_, index) => remove(index + 1)))
  expect([...stream.messages]).toEqual([[101, ANCHOR]])
  expect(stream.anchorsStored).toBe(1)
  expect(await end.anchors()).toBe(1)
})

test('where a later message is known no anchor is stored', async () => {
  const stream = new Stream()
  const end = new StreamEnd(
    jetstreamOf(stream, async () => undefined),
    'tasks',
    ANCHOR,
  )
  stream.store('task')
  end.know(stream.store('task'))
  await end.passes(1)
  expect([stream.anchorsStored, await end.anchors()]).toEqual([0, 0])
})

test('a full stream may be emptied all the same', async () => {
  const stream = new Stream()
  const end = new StreamEnd(
    jetstreamOf(stream, async () => undefined),
    'tasks',
    ANCHOR,
  )
  stream.store('task')
  stream.room = 1
  await end.passes(1)
  expect(stream.remove(1)).toBe(true)
})

test('an anchor stays when the server was started anew since, until it is far behind', async () => {
  const stream = new Stream()
  const end = new StreamEnd(
    jetstreamOf(stream, async () => undefined),
    'tasks',
    ANCHOR,
  )
  const anchors = () => [...stream.messages].filter(([, subject]) => subject === ANCHOR).map(([sequence]) => sequence)
  await end.passes(stream.store('task'))
  await end.passes(stream.store('task'))
  expect(anchors()).toEqual([4])
  stream.run = 'second'
  end.forget()
  await end.passes(stream.store('task'))
  await end.passes(stream.store('task'))
  expect(anchors()).toEqual([4, 8])
  await end.forgetOld(4)
  expect(anchors()).toEqual([4, 8])
  stream.last += 100_000
  await end.passes(stream.store('task'))
  await end.forgetOld(4)
  expect(anchors()).toEqual([100_010])
})

test('a new anchor is stored every thousand messages, though later ones are known', async () => {
  const stream = new Stream()
  const end = new StreamEnd(
    jetstreamOf(stream, async () => undefined),
    'tasks',
    ANCHOR,
  )
  expect(await end.haveAnchor()).toBe(true)
  expect(await end.haveAnchor()).toBe(false)
  for (let count = 0; count < 5_000; count++) {
    const sequence = stream.store('task')
    end.know(sequence)
    await end.passes(sequence - 1)
  }
  expect(stream.anchorsStored).toBeGreaterThanOrEqual(4)
  expect(stream.anchorsStored).toBeLessThanOrEqual(6)
})
