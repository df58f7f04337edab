import { expect, it } from 'vitest'
import { didYouMean } from './did-you-mean.ts'

const KNOWN = ['listen', 'storage', 'tokens', 'queues', 'maxDepth', 'maxBytes', 'rate']

it.each([
  ['lisen', 'listen'],
  ['lsiten', 'listen'],
  ['Storage', 'storage'],
  ['maxdepth', 'maxDepth'],
  ['max_depth', 'maxDepth'],
  ['rat', 'rate'],
  ['queue', 'queues'],
])('%s was meant to be %s', (word, meant) => {
  expect(didYouMean(word, KNOWN)).toBe(meant)
})

it.each(['xyzzy', 'x', 'timeoutMs', 'l'.repeat(50_000), ''])('%s was meant to be none of them', (word) => {
  const began = performance.now()
  expect(didYouMean(word, KNOWN)).toBeUndefined()
  expect(performance.now() - began).toBeLessThan(50)
})
