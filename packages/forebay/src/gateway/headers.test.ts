import { describe, expect, it } from 'vitest'
import {
  answeredHeaders,
  forwardedHeaders,
  type HeaderPair,
  headerPairs,
  preferences,
  redactedHeaders,
  withHeaders,
} from './headers.ts'

const names = (pairs: readonly HeaderPair[]) => pairs.map(([name]) => name)

describe('what is forwarded', () => {
  it('keeps case, order and repetition', () => {
    const pairs = headerPairs(['X-B', '1', 'x-a', '2', 'X-B', '3'])
    expect(forwardedHeaders(pairs, false)).toEqual([
      ['X-B', '1'],
      ['x-a', '2'],
      ['X-B', '3'],
    ])
  })

  it('is nothing of the connection, of the framing, of what Connection names, of ours', () => {
    const dropped = [
      'Connection',
      'Keep-Alive',
      'TE',
      'Trailer',
      'Transfer-Encoding',
      'Upgrade',
      'Proxy-Authorization',
      'Proxy-Connection',
      'Host',
      'Content-Length',
      'Expect',
      'X-Named',
      'x-also',
      'Forebay-Task-Id',
    ]
    const pairs = dropped.map((name): HeaderPair => [name, name === 'Connection' ? 'close, x-named' : 'v'])
    expect(names(forwardedHeaders([...pairs, ['connection', 'X-Also'], ['kept', 'v']], false))).toEqual(['kept'])
  })

  it('is Authorization, unless it is the token of the gateway', () => {
    const pairs = headerPairs(['Authorization', 'Bearer x', 'a', 'b'])
    expect(names(forwardedHeaders(pairs, false))).toEqual(['Authorization', 'a'])
    expect(names(forwardedHeaders(pairs, true))).toEqual(['a'])
  })

  it('is what Prefer asks of others', () => {
    const forwarded = (value: string) => forwardedHeaders([['Prefer', value]], false)
    expect(forwarded('respond-async, wait=5')).toEqual([])
    expect(forwarded('return=minimal, respond-async')).toEqual([['Prefer', 'return=minimal']])
  })
})

it('an answer loses what belongs to its connection', () => {
  const pairs = headerPairs([
    'Connection',
    'x-hop',
    'X-Hop',
    '1',
    'Content-Length',
    '5',
    'ETag',
    '"e"',
    'set-cookie',
    'a',
    'set-cookie',
    'b',
  ])
  expect(names(answeredHeaders(pairs))).toEqual(['ETag', 'set-cookie', 'set-cookie'])
})

it.each([
  [undefined, false, undefined, false],
  ['respond-async', true, undefined, false],
  ['Respond-Async; x=1', false, undefined, false],
  ['wait=10', false, 10, false],
  ['wait = "7", RESPOND-ASYNC', true, 7, false],
  ['wait=-1', false, undefined, false],
  ['wait=99999999999999999999', false, undefined, false],
  ['Estimate, respond-async', true, undefined, true],
])('Prefer: %s', (value, respondAsync, wait, estimate) => {
  expect(preferences(value)).toEqual({ respondAsync, wait, estimate })
})

it("of what a caller prefers, only what is the target's to honour goes on to it", () => {
  const pairs = headerPairs(['Prefer', 'estimate, return=minimal, respond-async', 'Prefer', 'wait=5, estimate'])
  expect(forwardedHeaders(pairs, false)).toEqual([['Prefer', 'return=minimal']])
})

it('secrets are gone from what anybody may see', () => {
  expect(redactedHeaders(headerPairs(['COOKIE', 'a=1', 'X-Plain', 'b']))).toEqual([
    ['COOKIE', '[redacted]'],
    ['X-Plain', 'b'],
  ])
})

it('what is laid over replaces every header of its name', () => {
  const pairs = headerPairs(['A', '1', 'a', '2', 'B', '3'])
  expect(withHeaders(pairs, [['a', '4']])).toEqual([
    ['B', '3'],
    ['a', '4'],
  ])
})

it.each([
  ['commas', ','.repeat(50_000)],
  ['spaces', ' '.repeat(50_000)],
  ['wishes', 'wait='.repeat(10_000)],
  ['a wish that does not end', `wait${' '.repeat(50_000)}x`],
])('50,000 characters, %s, take less than 50 ms', (_what, value) => {
  const quickest = (work: () => void) =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const began = performance.now()
        work()
        return performance.now() - began
      }),
    )
  for (const name of ['connection', 'prefer', 'x']) {
    expect(quickest(() => forwardedHeaders([[name, value]], false))).toBeLessThan(50)
  }
  expect(quickest(() => preferences(value))).toBeLessThan(50)
})
