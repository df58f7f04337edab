/** Bottleneck, by its reservoir (so many starts, filled up each second) and by its least time between two starts. */

import Bottleneck from 'bottleneck'
import type { Limiter } from '../limiter.ts'

function limiter(optionsFor: (perSecond: number) => Bottleneck.ConstructorOptions): Limiter {
  return {
    async start({ perSecond, backlog, task }) {
      const bottleneck = new Bottleneck(optionsFor(perSecond))
      for (let left = backlog; left > 0; left--) void bottleneck.schedule(async () => task())
    },
  }
}

/** Its reservoir can be refilled each 250 ms at the most often; a second is what its documentation shows. */
const reservoir = limiter((perSecond) => ({
  reservoir: perSecond,
  reservoirRefreshAmount: perSecond,
  reservoirRefreshInterval: 1_000,
}))

export const limiters: Record<string, Limiter> = {
  'bottleneck-reservoir': reservoir,
  'bottleneck-mintime': limiter((perSecond) => ({ minTime: 1_000 / perSecond })),
}
