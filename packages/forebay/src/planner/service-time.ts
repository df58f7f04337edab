/**
 * How long an attempt takes, as the user says it:
 *
 *     120ms                 always that long
 *     exp:120ms             exponential with this mean
 *     lognormal:120ms,0.5   lognormal with this mean; 0.5 is the standard deviation of its logarithm, or "sigma"
 *     column:NAME           as the trace says, in its column of this name or number, milliseconds
 *
 * A lognormal with mean `m` and `sigma` is `exp(mu + sigma Z)` with `mu = ln m - sigma^2 / 2` and Z normal (Box and Muller, 1958).
 *
 * Task k has the same service time whatever the plan: common random numbers, so that two plans differ by what is planned and
 * not by luck.
 */

import { ForebayError } from '../errors.ts'
import { type RandomSource, seededRandom } from '../random.ts'
import { spanMs } from './spans.ts'

export type ServiceTime =
  | { readonly kind: 'constant'; readonly meanMs: number }
  | { readonly kind: 'exp'; readonly meanMs: number }
  | { readonly kind: 'lognormal'; readonly meanMs: number; readonly sigma: number }
  | { readonly kind: 'column'; readonly column: string }

/** @throws ForebayError `INVALID_OPTION`. */
export function parseServiceTime(text: string): ServiceTime {
  const [, kind, rest = ''] = /^(exp|lognormal|column):(.*)$/.exec(text.trim()) ?? []
  if (kind === 'column' && rest !== '') return { kind, column: rest.trim() }
  if (kind === 'exp') return { kind, meanMs: meanOf(rest) }
  if (kind === 'lognormal') {
    const [mean = '', sigma = ''] = rest.split(',')
    const value = Number(sigma)
    if (sigma.trim() === '' || !(value >= 0 && value <= 5)) {
      wrong(`"${text}" needs a sigma from 0 to 5 after its mean, as in lognormal:120ms,0.5`)
    }
    return { kind, meanMs: meanOf(mean), sigma: value }
  }
  if (/^[a-z]+:/.test(text)) wrong(`"${text}" is none of 120ms, exp:120ms, lognormal:120ms,0.5 and column:NAME`)
  return { kind: 'constant', meanMs: meanOf(text) }
}

function meanOf(text: string): number {
  const meanMs = spanMs('service-time', text)
  if (meanMs > 86_400_000) wrong('at most a day')
  return meanMs
}

function wrong(fault: string): never {
  throw new ForebayError('INVALID_OPTION', `service-time: ${fault}.`, { path: 'service-time' })
}

/**
 * The service time of each of `count` tasks, milliseconds.
 * @param recorded What the trace says of each, for `column`.
 */
export function serviceTimes(serviceTime: ServiceTime, count: number, recorded?: Float64Array, seed = 1): Float64Array {
  if (serviceTime.kind === 'column') return recorded ?? wrong('the trace has no such column')
  const random = seededRandom(seed)
  return Float64Array.from({ length: count }, () => draw(serviceTime, random))
}

function draw(serviceTime: Exclude<ServiceTime, { kind: 'column' }>, random: RandomSource): number {
  const { meanMs } = serviceTime
  if (serviceTime.kind === 'constant') return meanMs
  if (serviceTime.kind === 'exp') return -meanMs * Math.log(1 - random.next())
  const { sigma } = serviceTime
  return meanMs * Math.exp(sigma * normal(random) - (sigma * sigma) / 2)
}

function normal(random: RandomSource): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}
