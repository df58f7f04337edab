/** Limits as a wish that names every one of them, so that `update` puts them in force whatever was in force before. */

import type { KeyLimits } from '../backends/queue-service.ts'
import type { FlowLimit, FlowSettings } from '../flow/flow-limits.ts'
import type { ConsumerLimits, Limits, PerKeyOptions } from './options.ts'
import type { RateOptions } from './rate-options.ts'

/** Required, so that the compiler asks for each limit that is added to the options. */
export function wholeWish(limits: Limits): Required<ConsumerLimits> {
  const { flow, concurrency, concurrencyScope, learning, perKey, maxAttempts, backoff, timeoutMs } = limits
  return {
    rate: rateOf(flow),
    // The very object that was wished for: with the same one, what has been learned is kept.
    concurrency: learning ?? { max: concurrency, scope: concurrencyScope },
    perKey: perKey ? perKeyOf(perKey) : null,
    retry: { maxAttempts, ...backoff },
    timeoutMs,
  }
}

function rateOf({ limits, rampMs }: FlowSettings): RateOptions | null {
  const [first, ...also] = limits as [FlowLimit, ...FlowLimit[]]
  return first.perSecond === Number.POSITIVE_INFINITY ? null : { ...first, also, rampMs }
}

function perKeyOf({ concurrency, perSecond }: KeyLimits): PerKeyOptions {
  return { ...(concurrency !== undefined && { concurrency }), ...(perSecond !== undefined && { rate: { perSecond } }) }
}
