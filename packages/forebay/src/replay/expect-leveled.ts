/**
 * `expectLeveled`: a leveling test for the user's own suite. It plays recorded traffic through the real queue and consumers with
 * the user's own options, in virtual time, and fails with a sentence for each bound that was broken.
 */

import { AssertionError } from 'node:assert'
import type { ConsumerOptions } from '../consumer/options.ts'
import { ForebayError } from '../errors.ts'
import { fluidBound } from '../planner/fluid.ts'
import { parseServiceTime, serviceTimes } from '../planner/service-time.ts'
import { type Simulation, type SimulationOptions, simulate } from '../planner/simulation.ts'
import { spanText } from '../planner/spans.ts'
import { percentile } from '../planner/statistics.ts'
import { peakQueued, startWaits, waitsOf } from '../planner/wait-figures.ts'
import { mostInWindow } from './figures.ts'
import { readTrace } from './trace.ts'

/** The options of the simulation that are the user's to choose. */
type Chosen = 'workers' | 'consumer' | 'queue' | 'task' | 'outcome' | 'seed' | 'patienceMs'

export interface LevelingScene extends Pick<SimulationOptions, Chosen> {
  /** A trace's file, as `forebay replay` reads it, or when each task is enqueued, milliseconds from the start, never falling. */
  readonly trace: string | URL | ArrayLike<number>
  /** 20 plays twenty seconds of the trace's file in one. Default 1. */
  readonly speed?: number
  /** How long an attempt takes: milliseconds, or `exp:120ms`, `lognormal:120ms,0.5` (mean, sigma), `column:NAME` of the trace. */
  readonly serviceTime: number | string
}

/** What may be seen at most. What is not named is not looked at, but for the last three. */
export interface LevelingBounds {
  /** From the enqueue to the first start, milliseconds. */
  readonly meanWaitMs?: number
  readonly p50WaitMs?: number
  readonly p99WaitMs?: number
  readonly maxWaitMs?: number
  /** Tasks that were queued or in flight at once. */
  readonly peakDepth?: number
  /** Attempts that began in any window of that length, wherever it lies. */
  readonly startsIn1s?: number
  readonly startsIn100ms?: number
  /** Attempts that ran at once, over all workers. */
  readonly running?: number
  /** Refused at the door. Default 0. */
  readonly refused?: number
  /** Dead letters. Default 0. */
  readonly dead?: number
  /** Expired, dropped for others, or still queued when the run was given up. Default 0. */
  readonly lost?: number
}

/** What was seen, of each measure. */
export type LevelingFigures = Required<LevelingBounds>

type Measure = keyof LevelingBounds

/** How a measure is called in a sentence, and in what it is told. */
const MEASURES: Readonly<Record<Measure, readonly [name: string, tell: (value: number) => string]>> = {
  meanWaitMs: ['the mean wait', spanText],
  p50WaitMs: ['the p50 wait', spanText],
  p99WaitMs: ['the p99 wait', spanText],
  maxWaitMs: ['the longest wait', spanText],
  peakDepth: ['the peak depth', (value) => `${count(value)} tasks`],
  startsIn1s: ['the most starts in any second', count],
  startsIn100ms: ['the most starts in any 100 ms', count],
  running: ['the most attempts at once', count],
  refused: ['the number of refused tasks', count],
  dead: ['the number of dead letters', count],
  lost: ['the number of tasks that expired, were dropped or never ended', count],
}

const ALWAYS = { refused: 0, dead: 0, lost: 0 } as const

/**
 * Resolves with what was seen, if all of it is within the bounds.
 *
 * @throws AssertionError that names each measure, its bound and what was seen; ForebayError for a scene that cannot be played
 * (INVALID_TRACE, INVALID_OPTION, UNSUPPORTED).
 */
export async function expectLeveled(scene: LevelingScene, bounds: LevelingBounds): Promise<LevelingFigures> {
  const wanted = { ...ALWAYS, ...checkedBounds(bounds) }
  const seen = figuresOf(await play(scene))
  const names = Object.keys(wanted) as Measure[]
  const broken = names.filter((name) => !(seen[name] <= (wanted[name] as number)))
  if (broken.length === 0) return seen
  const sentences = broken.map((name) => sentenceOf(name, seen[name], wanted[name] as number))
  const excuse = await unreachable(scene, wanted.p99WaitMs)
  throw new AssertionError({
    message: ['The load was not leveled as expected:', ...sentences, ...excuse].join('\n  '),
    actual: Object.fromEntries(names.map((name) => [name, seen[name]])),
    expected: wanted,
    operator: '<=',
    stackStartFn: expectLeveled,
  })
}

function checkedBounds(bounds: LevelingBounds): LevelingBounds {
  const names = Object.keys(bounds)
  const unknown = names.find((name) => !Object.hasOwn(MEASURES, name))
  if (names.length === 0 || unknown !== undefined) {
    const what = unknown === undefined ? 'no bound is given' : `"${unknown}" is no measure`
    throw new ForebayError('INVALID_OPTION', `expectLeveled: ${what}; there are ${Object.keys(MEASURES).join(', ')}.`)
  }
  const [name, bound] = Object.entries(bounds).find(([, value]) => !(value >= 0)) ?? []
  if (name !== undefined) {
    throw new ForebayError('INVALID_OPTION', `expectLeveled: ${name} must be a number from 0, and is ${bound}.`, {
      path: name,
    })
  }
  return bounds
}

async function play(scene: LevelingScene): Promise<Simulation> {
  const { trace: _, serviceTime: __, speed: ___, ...options } = scene
  return simulate({ ...options, ...(await loadOf(scene)) })
}

async function loadOf({ trace, speed = 1, serviceTime }: LevelingScene) {
  const parsed = parseServiceTime(typeof serviceTime === 'number' ? `${serviceTime}ms` : serviceTime)
  if (typeof trace !== 'string' && !(trace instanceof URL)) {
    return { arrivalsMs: trace, serviceMs: serviceTimes(parsed, trace.length) }
  }
  const { arrivalsMs, column } = await readTrace(trace, {
    speed,
    ...(parsed.kind === 'column' && { column: parsed.column }),
  })
  return { arrivalsMs, serviceMs: serviceTimes(parsed, arrivalsMs.length, column) }
}

function figuresOf(simulation: Simulation): LevelingFigures {
  const waits = waitsOf(startWaits(simulation))
  const { attemptsMs, peakRunning, refused, dead, lost, endsMs } = simulation
  return {
    meanWaitMs: waits.mean,
    p50WaitMs: waits.p50,
    p99WaitMs: waits.p99,
    maxWaitMs: waits.max,
    peakDepth: peakQueued(simulation),
    startsIn1s: mostInWindow(attemptsMs, 1_000),
    startsIn100ms: mostInWindow(attemptsMs, 100),
    running: peakRunning,
    refused,
    dead,
    lost: lost + endsMs.filter((at) => at === Number.POSITIVE_INFINITY).length,
  }
}

function sentenceOf(measure: Measure, seen: number, bound: number): string {
  const [name, tell] = MEASURES[measure]
  return `${measure}: ${name} was ${tell(seen)}, and may be at most ${tell(bound)}.`
}

/** Says so where no queue could have kept the wait at this rate: then it is the rate that must change. */
async function unreachable(scene: LevelingScene, p99WaitMs: number | undefined): Promise<string[]> {
  const perSecond = perSecondOf(scene.consumer)
  if (p99WaitMs === undefined || perSecond === undefined) return []
  const { arrivalsMs } = await loadOf(scene)
  const least = percentile(fluidBound(arrivalsMs, perSecond).waitsMs.sort(), 0.99) ?? 0
  return least > p99WaitMs
    ? [`At ${perSecond}/s no queue can have a p99 wait below ${spanText(least)}: the rate is too low.`]
    : []
}

function perSecondOf({ rate }: Pick<ConsumerOptions, 'rate'>): number | undefined {
  return rate?.perSecond
}

function count(value: number): string {
  return value.toLocaleString('en')
}
