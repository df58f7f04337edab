import { expect, it } from 'vitest'
import type { ExtendResult, QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { Heartbeat, type Lease } from './heartbeat.ts'

function house() {
  const clock = new VirtualClock()
  const [leases, asked, lost]: [Lease[], string[], string[]] = [[], [], []]
  let answer: () => Promise<ExtendResult['status']> = async () => 'extended'
  const extend: QueueService['extend'] = async (claims) => {
    asked.push(claims.map(({ id, token }) => `${id} ${token}`).join())
    const status = await answer()
    return claims.map(() => (status === 'extended' ? { status, token: 'next' } : { status: 'stale' }))
  }
  const heartbeat = new Heartbeat({
    service: { extend } as QueueService,
    clock,
    leaseMs: 300,
    leases: () => leases,
    onLost: ({ ref }) => lost.push(ref.id),
    onError: () => {},
  })
  const keep = (id: string) => {
    const lease: Lease = { ref: { id, token: 'first' }, endsAt: clock.monotonic() + 300, lost: false, over: false }
    leases.push(lease)
    heartbeat.begin()
    return lease
  }
  const answerWith = (next: typeof answer) => {
    answer = next
  }
  return { clock, leases, asked, lost, heartbeat, keep, answerWith }
}

it('keeps all in one call, with their present tokens, but for those that are over', async () => {
  const { clock, asked, lost, keep } = house()
  keep('a')
  keep('settled').over = true
  keep('b')
  await clock.advance(210)
  expect(asked).toEqual(['a first,b first', 'a next,b next'])
  expect(lost).toEqual([])
})

it('tells of a lost lease once, asks for it no more, and of one that was settled meanwhile not at all', async () => {
  const { clock, asked, lost, keep, answerWith } = house()
  keep('lost')
  const settled = keep('settled')
  answerWith(async () => {
    settled.over = true
    return 'stale'
  })
  await clock.advance(500)
  expect(lost).toEqual(['lost'])
  expect(asked).toHaveLength(1)
})

it('rests when there is nothing to keep, and after its end also if that comes in the middle of a beat', async () => {
  const { clock, leases, heartbeat, keep, answerWith } = house()
  keep('a')
  leases.length = 0
  await clock.advance(110)
  expect(clock.nextDue).toBeUndefined()
  let go = () => {}
  answerWith(
    () =>
      new Promise((resolve) => {
        go = () => resolve('extended')
      }),
  )
  keep('b')
  await clock.advance(110)
  heartbeat.end()
  go()
  await clock.advance(10)
  expect(clock.nextDue).toBeUndefined()
})
