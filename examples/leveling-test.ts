/**
 * A leveling test for your own CI: your recorded traffic through the real queue and consumers, with the options that you ship,
 * in virtual time. Ten minutes take a moment. In vitest or node:test, put the call into a test; it needs nothing else.
 */

import { expectLeveled } from 'forebay/testing'

/** What your worker starts with; import it from where it is. */
const consumer = { rate: { perSecond: 5.2 }, concurrency: 3 }

const scene = {
  trace: new URL('../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url),
  serviceTime: 'exp:300ms',
  workers: 2,
  consumer,
}

const seen = await expectLeveled(scene, { p99WaitMs: 30_000, startsIn1s: 6, peakDepth: 250 })
console.log(`p99 wait ${Math.round(seen.p99WaitMs / 1_000)} s, at most ${seen.startsIn1s} starts in any second`)

// What a failure says:
await expectLeveled({ ...scene, consumer: { ...consumer, rate: { perSecond: 5 } } }, { p99WaitMs: 30_000 }).catch(
  (failure: Error) => console.log(failure.message),
)

// Prints:
// p99 wait 23 s, at most 6 starts in any second
// The load was not leveled as expected:
//   p99WaitMs: the p99 wait was 32.4 s, and may be at most 30 s.
//   At 5/s no queue can have a p99 wait below 32.4 s: the rate is too low.
