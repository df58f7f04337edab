/** The rate as a user writes it, and the limits on the flow that it means. */

import { ForebayError } from '../errors.ts'
import type { FlowLimit, FlowSettings } from '../flow/flow-limits.ts'
import { between } from './bounds.ts'

/** One limit on the flow. The rate is given in one of three units: above 0, at most 50,000 a second where tasks are counted. */
export interface RateLimit {
  readonly perSecond?: number
  readonly perMinute?: number
  readonly perHour?: number
  /** How many of what it counts may go at once after a rest, beyond the first: default 0, the flow is level. */
  readonly burst?: number
  /** `tasks`: each start is one. `cost`: each is what its task costs, such as tokens. Default `tasks`. */
  readonly counts?: 'tasks' | 'cost'
}

export interface RateOptions extends RateLimit {
  /** Further limits, which all hold together with this one. Default: none. */
  readonly also?: readonly RateLimit[]
  /** After idleness, a pause or a hold the rate climbs to `perSecond` over this many milliseconds. Default 500. 0: at once. */
  readonly rampMs?: number
  /**
   * `queue`: all consumers of the queue keep this rate together, in however many processes: it is the downstream that has the
   * limit. `process`: this consumer keeps it alone, and two consumers start twice as much. Default `queue`. Fixed at the start.
   */
  readonly scope?: 'queue' | 'process'
}

/** What a wish names replaces what stands; limits that are the same stay the same object, so that nothing begins anew. */
export function withRate(current: FlowSettings, wish: RateOptions): FlowSettings {
  const rampMs = wish.rampMs ?? current.rampMs
  between('rate.rampMs', rampMs, 0, 3_600_000)
  const [first, ...others] = current.limits as [FlowLimit, ...FlowLimit[]]
  const limits = [
    limitOf('rate', wish, first),
    ...(wish.also?.map((limit, index) => limitOf(`rate.also.${index}`, limit, undefined)) ?? others),
  ]
  const same = JSON.stringify(limits) === JSON.stringify(current.limits)
  return { limits: same ? current.limits : limits, rampMs }
}

const UNITS = { perSecond: 1, perMinute: 60, perHour: 3_600 } as const

function limitOf(path: string, wish: RateLimit, current: FlowLimit | undefined): FlowLimit {
  const counts = wish.counts ?? current?.counts ?? 'tasks'
  if (counts !== 'tasks' && counts !== 'cost') {
    throw new ForebayError('INVALID_OPTION', `${path}.counts is "tasks" or "cost", not ${String(counts)}.`, {
      path: `${path}.counts`,
    })
  }
  const burst = wish.burst ?? current?.burst ?? 0
  between(`${path}.burst`, burst, 0, MOST_PER_SECOND[counts])
  const standing = current?.perSecond === Number.POSITIVE_INFINITY ? undefined : current?.perSecond
  return { perSecond: perSecondOf(path, wish, counts) ?? standing ?? unnamed(path), burst, counts }
}

/** Undefined if the wish names none. @throws ForebayError INVALID_OPTION. */
export function perSecondOf(path: string, wish: RateLimit, counts: FlowLimit['counts']): number | undefined {
  const named = Object.keys(UNITS).filter((unit) => wish[unit as keyof typeof UNITS] !== undefined)
  const [unit] = named as (keyof typeof UNITS)[]
  if (unit === undefined) return undefined
  if (named.length > 1) {
    const message = `${path} names ${named.join(' and ')}; it is one of them. A second limit stands in rate.also.`
    throw new ForebayError('INVALID_OPTION', message, { path })
  }
  between(`${path}.${unit}`, wish[unit], Number.MIN_VALUE, MOST_PER_SECOND[counts] * UNITS[unit])
  return (wish[unit] as number) / UNITS[unit]
}

function unnamed(path: string): never {
  throw new ForebayError('INVALID_OPTION', `${path} names no rate: perSecond, perMinute or perHour.`, { path })
}

const MOST_PER_SECOND = { tasks: 50_000, cost: 1_000_000_000 } as const
