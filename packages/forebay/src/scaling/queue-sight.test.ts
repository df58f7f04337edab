import { describe, expect, it } from 'vitest'
import type { Depth } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import type { WorkSeen } from './actuator.ts'
import { QueueSight } from './queue-sight.ts'

const depthOf = (over: Partial<Depth>): Depth => ({
  ready: 0,
  delayed: 0,
  inFlight: 0,
  dead: 0,
  oldestReadyAgeMs: 0,
  bytes: undefined,
  totals: undefined,
  ...over,
})
const totalsOf = (accepted: number) => ({ accepted, completed: 0, expired: 0, dropped: 0 })

function scene(work: () => WorkSeen = () => ({})) {
  const clock = new VirtualClock()
  let depth = depthOf({})
  const queue = { clock, depth: () => Promise.resolve(depth) }
  const sight = new QueueSight(queue, { work, workers: () => ({ ready: 2, starting: 1 }) })
  return {
    look: async (over: Partial<Depth>, afterMs = 10_000) => {
      await clock.advance(afterMs)
      depth = depthOf(over)
      return sight.look()
    },
  }
}

describe('what is seen of a queue', () => {
  it('arrivals are what the engine has accepted more; the first look tells of none', async () => {
    const { look } = scene()
    expect(await look({ ready: 7, oldestReadyAgeMs: 1_500, totals: totalsOf(100) })).toMatchObject({
      arrived: undefined,
      backlog: 7,
      oldestAgeMs: 1_500,
      ready: 2,
      starting: 1,
    })
    expect(await look({ ready: 9, oldestReadyAgeMs: undefined, totals: totalsOf(130) })).toMatchObject({
      arrived: 30,
      oldestAgeMs: 0,
    })
  })

  it('where it does not count: what is queued more, and what ended here', async () => {
    let finished = 0
    const { look } = scene(() => ({ finished }))
    await look({ ready: 10, inFlight: 2 })
    finished = 25
    expect((await look({ ready: 4, inFlight: 1, dead: 1 })).arrived).toBe(19)
    // Tasks that somebody dropped have not come a negative number of times.
    expect((await look({ ready: 0 })).arrived).toBe(0)
  })

  it('the service time is as the workers measured it, with its deviation and the capacity', async () => {
    const { look } = scene(() => ({ serviceMs: 120, serviceDeviationMs: 30, capacityPerSecond: 50 }))
    expect(await look({})).toMatchObject({ serviceMs: 120, serviceDeviationMs: 30, capacityPerSecond: 50 })
  })

  it("where none did, it is by Little's law: four in flight, 20 ended in 10 s, so two seconds each", async () => {
    const { look } = scene()
    expect((await look({ ready: 100, inFlight: 4, totals: totalsOf(104) })).serviceMs).toBeUndefined()
    expect((await look({ ready: 80, inFlight: 4, totals: totalsOf(104) })).serviceMs).toBeCloseTo(2_000, 6)
    expect((await look({ ready: 60, inFlight: 4, totals: totalsOf(104) })).serviceMs).toBeCloseTo(2_000, 6)
  })
})
