/**
 * More or less of the same load: arrival k of the new load comes where index `k / factor` lies in the recorded one, between two
 * arrivals in proportion. So the rate is `factor` times as high at every moment, and bursts last as long as they did.
 */

import type { Load } from './sizing.ts'

export function scaledLoad({ arrivalsMs, serviceMs }: Load, factor: number): Load {
  const count = Math.max(1, Math.floor((arrivalsMs.length - 1) * factor) + 1)
  const at = (index: number) => arrivalsMs[Math.min(index, arrivalsMs.length - 1)] as number
  const scaled = Float64Array.from({ length: count }, (_, k) => {
    const place = k / factor
    const whole = Math.floor(place)
    return at(whole) + (place - whole) * (at(whole + 1) - at(whole))
  })
  // Each takes as long as the recorded one that it comes beside.
  const service = Float64Array.from({ length: count }, (_, k) => serviceMs[Math.floor(k / factor)] as number)
  return { arrivalsMs: scaled, serviceMs: service }
}

export function slowedLoad({ arrivalsMs, serviceMs }: Load, factor: number): Load {
  return { arrivalsMs, serviceMs: serviceMs.map((ms) => ms * factor) }
}
