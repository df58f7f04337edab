/**
 * The downstreams of the table. Those of `known` have a mark; the `others` have none. The limit was seen on all of them while it was
 * written (its judging by a lower confidence bound came of the noisy and the bimodal ones), so none of them is a blind test.
 */

import { bimodal, drift, logNormal } from './chance.ts'
import { bucket, windowed } from './quotas.ts'
import type { Downstream } from './simulation.ts'

export interface Scenario {
  readonly name: string
  /** Least goodput, most time over 1.5 x the best; both in %. */
  readonly mark?: readonly [number, number]
  /** Most requests answered by 429, %. */
  readonly refusedMark?: number
  readonly initial?: number
  downstream(seed: number): Downstream
}

const MINUTE = 60_000

/** 20 servers, 200 ms: 100/s; 20 ms of network. */
const PLAIN: Downstream = {
  durationMs: 5 * MINUTE,
  timeoutMs: 2_000,
  networkMs: 20,
  servers: () => 20,
  serviceMs: () => 200,
  spread: logNormal(0.5),
}

const known: readonly Scenario[] = [
  { name: 'knee', mark: [96, 2], downstream: () => PLAIN },
  {
    name: 'steps 100-40-100',
    mark: [94, 5],
    downstream: () => ({ ...PLAIN, servers: (at) => (at > 100_000 && at <= 200_000 ? 8 : 20) }),
  },
  {
    name: 'service 2.5x slower',
    mark: [92, 8],
    downstream: () => ({ ...PLAIN, serviceMs: (at) => (at > 100_000 && at <= 200_000 ? 500 : 200) }),
  },
  {
    name: 'latency noise',
    mark: [93, 10],
    downstream: () => ({ ...PLAIN, networkMs: 100, networkFactor: drift(0.4, 30_000), spread: logNormal(1) }),
  },
  {
    name: 'collapse past the knee',
    mark: [92, 1],
    downstream: () => ({ ...PLAIN, slowdown: (inside, servers) => Math.max(1, inside / (1.1 * servers)) }),
  },
  { name: 'one hour', mark: [97.5, 2], downstream: () => ({ ...PLAIN, durationMs: 60 * MINUTE }) },
  { name: 'start at 150', mark: [97, 3], initial: 150, downstream: () => PLAIN },
  {
    name: '429 beyond 60/s',
    mark: [92, 100],
    refusedMark: 0.5,
    downstream: () => ({
      ...PLAIN,
      networkMs: 4,
      serviceMs: () => 8,
      quota: () => bucket(60, 10, 1_000),
      quotaPerSecond: 60,
    }),
  },
]

const others: readonly Scenario[] = [
  {
    name: 'bimodal service times',
    // One in ten takes 5.5 x the mean, the others half of it.
    downstream: () => ({ ...PLAIN, spread: bimodal(0.1, 11), timeoutMs: 5_000 }),
  },
  {
    name: 'slow ramp 100-30-100',
    downstream: () => ({
      ...PLAIN,
      durationMs: 10 * MINUTE,
      servers: (at) => Math.round(20 - 14 * (1 - Math.abs(at - 5 * MINUTE) / (5 * MINUTE))),
    }),
  },
  {
    name: 'daily swing',
    // Two days of ten minutes; the service time swings with them.
    downstream: () => ({
      ...PLAIN,
      durationMs: 20 * MINUTE,
      serviceMs: (at) => 200 * (1.5 - 0.5 * Math.cos((2 * Math.PI * at) / (10 * MINUTE))),
    }),
  },
  {
    name: 'a neighbour steals',
    // Half of the servers for 5 to 25 s, at times that differ from seed to seed.
    downstream: (seed) => ({
      ...PLAIN,
      servers: (at) => {
        const turn = Math.floor(at / 30_000)
        const begins = (turn * 7_919 + seed * 104_729) % 5_000
        const lasts = 5_000 + ((turn * 15_485_863 + seed * 32_452_843) % 20_000)
        const into = at % 30_000
        return into >= begins && into < begins + lasts ? 10 : 20
      },
    }),
  },
  {
    name: '3,000 a minute',
    downstream: () => ({
      ...PLAIN,
      durationMs: 10 * MINUTE,
      quota: () => windowed(3_000, MINUTE, true),
      quotaPerSecond: 50,
    }),
  },
]

export const SCENARIOS: readonly Scenario[] = [...known, ...others]
