import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { figuresOf } from './figures.ts'
import type { Door } from './load.ts'
import type { QueueProbe, QueueState } from './queue-probe.ts'
import { type Replay, replayAtTarget, replayThroughQueue } from './run-replay.ts'

const accepts: Door = async () => ({ end: 'accepted' })

async function finish(clock: VirtualClock, replay: Promise<Replay>): Promise<Replay> {
  let ended = false
  replay.finally(() => (ended = true)).catch(() => undefined)
  for (let step = 0; step < 1_000 && !ended; step++) await clock.advance(500)
  return replay
}

/** Answers with these states, the last one again and again; `undefined` is a moment in which nobody answers. */
function states(...answers: (Partial<QueueState> | undefined)[]): QueueProbe {
  let asked = 0
  return async () => {
    const answer = answers[Math.min(asked++, answers.length - 1)]
    if (!answer) throw new ForebayError('TARGET_FAILED', 'It restarts.')
    return { waiting: 0, dead: 0, completed: undefined, ...answer }
  }
}

describe('through a queue', () => {
  const setup = (clock: VirtualClock, probe: QueueProbe, arrived: number | undefined) => ({
    dueMs: [0, 0, 0],
    door: accepts,
    rate: 1,
    load: { clock },
    probe,
    downstream:
      arrived === undefined
        ? undefined
        : {
            arrivals: async () =>
              Array.from({ length: arrived }, (_, index) => ({ index, atMs: index * 1_000, served: true })),
          },
  })

  it('waits until the queue is empty, and through a moment in which it does not answer', async () => {
    const clock = new VirtualClock()
    const probe = states({}, { waiting: 3 }, undefined, { waiting: 1 }, {})
    const { record } = await finish(clock, replayThroughQueue(setup(clock, probe, 3)))
    expect(figuresOf(record)).toMatchObject({ offered: 3, accepted: 3, completed: 3, failed: 0, lost: 0 })
  })

  it('counts only its own dead', async () => {
    const clock = new VirtualClock()
    const { record } = await finish(clock, replayThroughQueue(setup(clock, states({ dead: 5 }, { dead: 6 }), 2)))
    expect(figuresOf(record)).toMatchObject({ completed: 2, dead: 1, lost: 0 })
  })

  it('gives up a queue that stands still, and calls what is in it failed and not lost', async () => {
    const clock = new VirtualClock()
    const { record } = await finish(clock, replayThroughQueue(setup(clock, states({}, { waiting: 2 }), 1)))
    expect(figuresOf(record)).toMatchObject({ completed: 1, failed: 2, lost: 0 })
  })

  it('says so if the queue can never be asked', async () => {
    const clock = new VirtualClock()
    const replay = replayThroughQueue(setup(clock, states({}, undefined), 1))
    await expect(finish(clock, replay)).rejects.toMatchObject({ code: 'TARGET_FAILED' })
  })

  it("takes the queue's own count where nobody at the downstream can be asked", async () => {
    const clock = new VirtualClock()
    const probe = states({ completed: 100 }, { completed: 102 })
    const { record } = await finish(clock, replayThroughQueue(setup(clock, probe, undefined)))
    expect(figuresOf(record)).toMatchObject({ completed: 2, lost: 1, maxStarts: { in1s: null } })
  })
})

describe('straight at a target', () => {
  it('takes its answers for what was completed, and its log for when', async () => {
    const clock = new VirtualClock()
    const door: Door = async (index) => (index === 0 ? { end: 'accepted' } : { end: 'failed', why: 'status 500' })
    const arrivals = async () => [
      { index: 0, atMs: 1, served: true },
      { index: 1, atMs: 2, served: true },
    ]
    const setup = { dueMs: [0, 0], door, rate: undefined, load: { clock }, downstream: { arrivals } }
    const { record } = await finish(clock, replayAtTarget(setup))
    expect(figuresOf(record)).toMatchObject({ completed: 1, failed: 1, lost: 0, maxStarts: { in1s: 2 }, durationMs: 2 })
  })
})
