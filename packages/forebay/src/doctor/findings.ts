/**
 * What can be wrong with a queue, one pure function each: from a snapshot to a finding, or to nothing. A finding is a sentence, what
 * it was concluded from, and what to do. Nothing is concluded from what is not known.
 */

import type { DeadLetterSeen, QueueSnapshot } from './snapshot.ts'

export interface Finding {
  readonly code: FindingCode
  readonly queue: string
  /** What is wrong. */
  readonly sentence: string
  /** The figures that it was concluded from. */
  readonly evidence: string
  /** What to do. */
  readonly todo: string
}

type Judge = (snapshot: QueueSnapshot) => Omit<Finding, 'queue' | 'code'> | undefined

/** Nothing was started for so long although a task was ready: longer than any claim and ramp take. */
const LONG_READY_MS = 15_000

/** A backlog that is worth less than this is a burst that waits for its turn. */
const LONG_BACKLOG_MS = 60_000

/** Fewer attempts, dead letters or tasks than these prove nothing. */
const FEW = { attempts: 20, letters: 3, tasks: 20 } as const

/** From these shares on a part is the matter. */
const MOST = { retried: 0.5, letters: 0.8, key: 0.5, full: 0.9 } as const

/** Clocks that are this far apart make ages and expiries visibly wrong. */
const SKEW_MS = 2_000

const rateBelowArrivals: Judge = ({ flow: { arrived }, consumer, depth, depthBefore, watchedMs }) => {
  const rate = Math.min(consumer?.ratePerSecond ?? Infinity, consumer?.effectivePerSecond ?? Infinity)
  // What is paused or broken is another matter, with a rate of nothing.
  if (arrived === undefined || rate === 0 || arrived <= rate || depth.ready <= depthBefore.ready) return undefined
  // A burst that waits for its turn is what the queue is for.
  const worthMs = (depth.ready * 1_000) / rate
  if (worthMs < LONG_BACKLOG_MS) return undefined
  const isRate = consumer?.effectivePerSecond !== rate || consumer.boundBy === 'rate'
  const bound = isRate ? 'the rate' : `what ${consumer.boundBy} leaves`
  return {
    sentence: 'More comes in than may go out: the backlog will never drain while this goes on.',
    evidence: `${figure(arrived)}/s came over ${seconds(watchedMs)} and ${bound} is ${figure(rate)}/s; ready tasks went from ${depthBefore.ready} to ${depth.ready}, ${seconds(worthMs)} of work`,
    todo: `Raise it to more than ${figure(arrived)}/s if the service bears that, or accept less; \`forebay plan\` finds the rate that keeps an objective.`,
  }
}

const noConsumer: Judge = ({ depth, depthBefore, flow, consumer, watchedMs }) => {
  const isIdle = depth.ready > 0 && depth.inFlight === 0 && depthBefore.inFlight === 0
  const nothingMoved = (flow.started ?? flow.ended ?? 0) === 0
  const isLong = (depth.oldestReadyAgeMs ?? watchedMs) >= LONG_READY_MS
  if (consumer || !isIdle || !nothingMoved || !isLong) return undefined
  return {
    sentence: 'Tasks are ready and nobody takes them: no consumer runs.',
    evidence: `${depth.ready} ready, none in flight, none ended in ${seconds(watchedMs)}; the oldest has been ready for ${age(depth.oldestReadyAgeMs)}`,
    todo: 'Start a worker or gateway on this queue, and look at the logs of those that should run.',
  }
}

const consumerStandsStill: Judge = ({ consumer, depth }) => {
  if (!consumer || depth.ready + depth.delayed === 0) return undefined
  const { state, standsStill } = consumer
  if (state === 'running' && standsStill === undefined) return undefined
  const why = state === 'running' ? `the breaker keeps it from calling the service: ${standsStill}` : `it is ${state}`
  return {
    sentence: `The consumer starts nothing: ${why}.`,
    evidence: `${depth.ready} ready and ${depth.delayed} delayed, the oldest ready for ${age(depth.oldestReadyAgeMs)}`,
    todo:
      state === 'running'
        ? 'Look at the service; the breaker tries again by itself.'
        : 'POST /v1/queues/NAME/resume, or press the button on the page, when it may go on.',
  }
}

const leaseTooShort: Judge = ({ consumer, serviceP99Ms, leasesLost, deadLetters }) => {
  const lost = deadLetters.filter(({ failures }) => failures.some(({ code }) => code === 'LEASE_LOST')).length
  const isShort = consumer !== undefined && serviceP99Ms !== undefined && serviceP99Ms > consumer.leaseMs
  if (!isShort && lost === 0 && !leasesLost) return undefined
  const evidence = [
    ...(isShort ? [`the p99 of attempts is ${seconds(serviceP99Ms)} and the lease ${seconds(consumer.leaseMs)}`] : []),
    ...(leasesLost ? [`${leasesLost} leases were lost since it started`] : []),
    ...(lost > 0 ? [`${lost} dead letters had an attempt that ended without an answer`] : []),
  ]
  return {
    sentence: isShort
      ? 'Attempts outlast their lease: it hangs on every heartbeat that no other worker does the same work again.'
      : 'Leases were lost while attempts ran, so that work was done twice or given up.',
    evidence: evidence.join('; '),
    todo: 'Set leaseMs to more than the p99 of attempts, and keep handlers from blocking the event loop, or let them call extend() before they do.',
  }
}

const retriesFeedAnOutage: Judge = ({ flow: { started, retried }, watchedMs, consumer }) => {
  if (started === undefined || retried === undefined) return undefined
  const attempts = (started * watchedMs) / 1_000
  if (attempts < FEW.attempts || retried / started < MOST.retried || consumer?.standsStill !== undefined)
    return undefined
  return {
    sentence: 'Most attempts fail and are repeated: retries load a service that is down already.',
    evidence: `${percent(retried / started)} of ${Math.round(attempts)} attempts in ${seconds(watchedMs)} were to be repeated`,
    todo: 'Switch the breaker on (`breaker: {}`), so that tasks wait in the queue without using up attempts, and look at the service.',
  }
}

const poisonTasks: Judge = ({ deadLetters }) => {
  const failing = deadLetters.filter(failsEachTime)
  const byType = grouped(failing, ({ type, failures }) => `${type}\n${failures.at(-1)?.code}`)
  const [, worst = []] = [...byType].sort(([, a], [, b]) => b.length - a.length)[0] ?? []
  const [first] = worst
  if (!first || worst.length < FEW.letters || worst.length < MOST.letters * deadLetters.length) return undefined
  const last = first.failures.at(-1)
  const why = last ? `${last.code}: ${printable(last.message)}` : first.reason
  return {
    sentence: `Tasks of type "${printable(first.type)}" fail in the same way each time: they are poison, and more attempts change nothing.`,
    evidence: `${worst.length} of the ${deadLetters.length} dead letters that were read, such as ${printable(first.id)}, with ${why}`,
    todo: 'Correct the handler or the producer, then redrive them; let the handler return dead(reason) for what can never succeed, so that it uses up one attempt and not all.',
  }
}

/** All its attempts ended alike; one attempt that was refused for good is as many as it takes. */
function failsEachTime({ failures, reason }: DeadLetterSeen): boolean {
  const codes = new Set(failures.map(({ code }) => code))
  return codes.size === 1 && (failures.length > 1 || reason !== 'attempts-exhausted')
}

const hotKey: Judge = ({ keys, depth }) => {
  const sum = keys.reduce((all, { tasks }) => all + tasks, 0)
  const [top] = [...keys].sort((a, b) => b.tasks - a.tasks)
  if (!top || keys.length < 2 || sum < FEW.tasks || depth.ready === 0 || top.tasks / sum < MOST.key) return undefined
  return {
    sentence: `One key has most of the tasks: "${printable(top.key)}".`,
    evidence: `${top.tasks} of the ${sum} tasks of the ${keys.length} busiest keys, with ${depth.ready} tasks ready`,
    todo: 'Keep the queue fair (`fair`) so that other keys do not wait behind it, or limit each key (`perKey`); if its tasks are ordered, split the key.',
  }
}

const nearlyFull: Judge = ({ depth, consumer, flow }) => {
  const maxDepth = consumer?.maxDepth
  const queued = depth.ready + depth.delayed + depth.inFlight
  const isFull = maxDepth !== undefined && queued >= MOST.full * maxDepth
  if (!isFull && !flow.refused) return undefined
  return {
    sentence: flow.refused ? 'The queue refuses tasks.' : 'The queue is nearly full and will refuse tasks.',
    evidence: `${queued} queued${maxDepth === undefined ? '' : ` of at most ${maxDepth}`}, ${figure(flow.refused ?? 0)}/s refused`,
    todo: 'See that producers obey Retry-After; raise maxDepth if later is better than not at all, or the rate if the service bears it.',
  }
}

const clockSkew: Judge = ({ clock }) => {
  if (!clock || Math.abs(clock.aheadMs) - clock.uncertainMs < SKEW_MS) return undefined
  const way = clock.aheadMs > 0 ? 'ahead of' : 'behind'
  return {
    sentence: `The target's clock is ${way} this machine's: times that both write do not fit together.`,
    evidence: `${seconds(Math.abs(clock.aheadMs))} ${way} this one, give or take ${seconds(clock.uncertainMs)}`,
    todo: 'Let NTP set both clocks. Leases and rates do not depend on them, but `at`, schedules and what people read do.',
  }
}

/** All of them, in the order in which they are told. */
export const JUDGES = {
  'no-consumer': noConsumer,
  'stands-still': consumerStandsStill,
  'rate-below-arrivals': rateBelowArrivals,
  'nearly-full': nearlyFull,
  'retries-feed-an-outage': retriesFeedAnOutage,
  'poison-tasks': poisonTasks,
  'lease-too-short': leaseTooShort,
  'hot-key': hotKey,
  'clock-skew': clockSkew,
} as const satisfies Record<string, Judge>

export type FindingCode = keyof typeof JUDGES

export function findingsOf(snapshot: QueueSnapshot): Finding[] {
  return Object.entries(JUDGES).flatMap(([code, judge]) => {
    const found = judge(snapshot)
    return found ? [{ code: code as FindingCode, queue: snapshot.name, ...found }] : []
  })
}

function grouped<Item>(items: readonly Item[], nameOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(nameOf(item), [...(groups.get(nameOf(item)) ?? []), item])
  return groups
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Number((ms / 1_000).toPrecision(3))} s`
}

function age(ms: number | undefined): string {
  return ms === undefined ? 'an unknown time' : seconds(ms)
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`
}

/** What others wrote must not steer the reader's terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, 200)
}
