/**
 * Whether load leveling is the answer at all, as the pattern's "when to use this pattern" asks. It is not
 *
 *     where somebody waits for the answer      the objective is shorter than the least that a queue adds (its floor)
 *     where the mean is above the capacity     a backlog never drains: a queue defers peaks and adds no capacity
 *     where the peak must be borne anyway      the rate that the objective needs is about the peak's own
 *
 * Each is one pure function from the facts to a sentence, or to nothing.
 */

import { fluidBound } from './fluid.ts'
import { measured, type Objective } from './objective.ts'
import type { Load } from './sizing.ts'
import { spanText } from './spans.ts'
import { mean } from './statistics.ts'

export interface FitnessFacts {
  readonly meanPerSecond: number
  /** The most arrivals in one of the seconds counted from the start. */
  readonly peakPerSecond: number
  readonly meanServiceMs: number
}

export interface FitnessQuestion {
  readonly load: Load
  readonly objective: Objective
  readonly pickupMs: number
  readonly maxRate: number | undefined
  readonly maxConcurrency: number | undefined
  /** What the objective needs; undefined: no rate, no concurrency within the bounds is enough. */
  readonly rate: number | undefined
  readonly concurrency: number | undefined
}

export interface Verdict {
  readonly facts: FitnessFacts
  /** Whether there can be a plan. */
  readonly isPossible: boolean
  /** Whether leveling is worth it. */
  readonly isLevelingApt: boolean
  /** Why not; empty where all is well. */
  readonly reasons: readonly string[]
}

/** From this share of the peak on, hardly anything is leveled. */
const ABOUT_THE_PEAK = 0.9

export function verdictOn(question: FitnessQuestion): Verdict {
  const facts = factsOf(question.load)
  const hindrances = [overCapacity, beneathTheFloor, beyondTheRate, beyondTheConcurrency]
  // The first one explains the others.
  const hindrance = hindrances.map((judge) => judge(question, facts)).find((sentence) => sentence !== undefined)
  const doubt = hindrance === undefined ? atThePeak(question, facts) : undefined
  return {
    facts,
    isPossible: hindrance === undefined,
    isLevelingApt: hindrance === undefined && doubt === undefined,
    reasons: [hindrance, doubt].filter((sentence) => sentence !== undefined),
  }
}

export function factsOf({ arrivalsMs, serviceMs }: Load): FitnessFacts {
  const span = (arrivalsMs.at(-1) ?? 0) - (arrivalsMs[0] ?? 0)
  return {
    meanPerSecond: span > 0 ? (arrivalsMs.length * 1_000) / span : arrivalsMs.length,
    peakPerSecond: peakPerSecond(arrivalsMs),
    meanServiceMs: mean(serviceMs) ?? 0,
  }
}

function overCapacity({ maxRate, maxConcurrency }: FitnessQuestion, facts: FitnessFacts): string | undefined {
  const byRate = maxRate ?? Number.POSITIVE_INFINITY
  const byConcurrency =
    maxConcurrency === undefined ? Number.POSITIVE_INFINITY : (maxConcurrency * 1_000) / facts.meanServiceMs
  const capacity = Math.min(byRate, byConcurrency)
  if (facts.meanPerSecond <= capacity) return undefined
  const why =
    byRate <= byConcurrency
      ? `the service bears ${figure(byRate)}/s`
      : `${maxConcurrency} at once, each ${spanText(facts.meanServiceMs)} long, are ${figure(byConcurrency)}/s`
  return (
    `Load leveling is the wrong answer: ${figure(facts.meanPerSecond)}/s come on average and ${why}, so the backlog grows without end. ` +
    'A queue defers peaks, it adds no capacity: make the service faster, or accept less.'
  )
}

function beneathTheFloor({ objective, pickupMs, rate }: FitnessQuestion): string | undefined {
  // Any rate at all is enough but for what the queue itself takes.
  if (rate !== undefined) return undefined
  return (
    `Load leveling is the wrong answer: "${objective.text}" leaves less time than a queue itself takes (${spanText(pickupMs)} for a durable ` +
    'write and a claim, and then the next permit). Work that somebody waits for so closely is called directly, with a limit that refuses what is too much.'
  )
}

function beyondTheRate({ load, objective, pickupMs, maxRate, rate }: FitnessQuestion): string | undefined {
  if (maxRate === undefined || rate === undefined || rate <= maxRate) return undefined
  const least = measured(objective, fluidBound(load.arrivalsMs, maxRate).waitsMs) + pickupMs
  return (
    `No plan keeps "${objective.text}" within ${figure(maxRate)}/s: it takes ${figure(rate)}/s. ` +
    `At ${figure(maxRate)}/s no queue can do better than ${spanText(least)}; allow that, or a higher rate.`
  )
}

function beyondTheConcurrency({ objective, maxConcurrency, rate, concurrency }: FitnessQuestion): string | undefined {
  if (rate === undefined || concurrency !== undefined) return undefined
  return (
    `No plan keeps "${objective.text}" with ${maxConcurrency ?? 'any number of'} attempts at once: ` +
    'allow more at once, a longer wait, or make the service faster.'
  )
}

function atThePeak({ rate = 0, objective }: FitnessQuestion, { peakPerSecond }: FitnessFacts): string | undefined {
  if (rate < ABOUT_THE_PEAK * peakPerSecond) return undefined
  return (
    `Hardly anything is leveled: "${objective.text}" takes ${figure(rate)}/s, and the busiest second has ${figure(peakPerSecond)}. ` +
    'The service must bear the peak all the same; a longer wait would spare it.'
  )
}

function peakPerSecond(arrivalsMs: Float64Array): number {
  let peak = 0
  let from = 0
  for (let to = 0; to < arrivalsMs.length; to++) {
    if (Math.floor((arrivalsMs[to] as number) / 1_000) !== Math.floor((arrivalsMs[from] as number) / 1_000)) from = to
    peak = Math.max(peak, to - from + 1)
  }
  return peak
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}
