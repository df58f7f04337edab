import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventStreamParser } from './event-stream.ts'

test('reads the same events however the text is cut into chunks', () => {
  const text =
    'event: history\ndata: {"a":1}\n\n: a comment\n\nevent: sample\ndata: one\ndata: two\n\ndata: {"b":2}\n\n'
  const events = [
    { name: 'history', data: '{"a":1}' },
    { name: 'sample', data: 'one\ntwo' },
    { name: 'message', data: '{"b":2}' },
  ]
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
      const parser = new EventStreamParser()
      const ends = [0, ...cuts.sort((a, b) => a - b), text.length]
      const read = ends.slice(1).flatMap((end, index) => parser.push(text.slice(ends[index], end)))
      expect(read).toEqual(events)
    }),
  )
})

test('an event is not read before it is complete', () => {
  const parser = new EventStreamParser()
  expect(parser.push('event: sample\ndata: 1\n')).toEqual([])
  expect(parser.push('\n')).toEqual([{ name: 'sample', data: '1' }])
})
