/**
 * Ramp: how a flow comes back after it stood still. The rate climbs linearly from `START_SHARE` of itself to the whole
 * over `rampMs`, so that a downstream with cold caches and closed connections is not met by the full rate at once.
 *
 *     f(t) = s + (1 - s) t / R   for t < R,   1 afterwards                  (share of the rate, t since the ramp began)
 *     F(t) = integral of f       = s t + (1 - s) t^2 / 2R,   F(R) + t - R  afterwards
 *
 * A pacer runs in the warped time F: the next start is where F has grown by one interval. That is exact at any rate,
 * also where one interval is longer than the whole ramp. Units: milliseconds. Cost of a ramp: (1 - s) R / 2 of flow.
 */

const START_SHARE = 0.1

/** When `flowMs` of full-rate flow have passed since `sinceMs` after the ramp's begin, in ms after its begin. */
export function rampedTime(sinceMs: number, flowMs: number, rampMs: number): number {
  return inverseFlow(flow(sinceMs, rampMs) + flowMs, rampMs)
}

function flow(t: number, rampMs: number): number {
  if (t >= rampMs) return flowOfRamp(rampMs) + (t - rampMs)
  return START_SHARE * t + ((1 - START_SHARE) * t * t) / (2 * rampMs)
}

function inverseFlow(flowed: number, rampMs: number): number {
  const whole = flowOfRamp(rampMs)
  if (flowed >= whole) return rampMs + (flowed - whole)
  const half = (1 - START_SHARE) / (2 * rampMs)
  return (Math.sqrt(START_SHARE * START_SHARE + 4 * half * flowed) - START_SHARE) / (2 * half)
}

function flowOfRamp(rampMs: number): number {
  return ((1 + START_SHARE) * rampMs) / 2
}
