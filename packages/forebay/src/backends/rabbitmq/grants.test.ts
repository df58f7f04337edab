import type { Channel } from 'rabbitmq-client'
import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import type { Delivery } from './delivery.ts'
import { Grants } from './grants.ts'

const LONGEST_MS = 10_000

let clock: VirtualClock
let grants: Grants

class FakeChannel {
  active = true
  readonly said: string[] = []
  basicAck({ deliveryTag }: { deliveryTag: number }): void {
    this.said.push(`ack ${deliveryTag}`)
  }
  basicNack({ deliveryTag }: { deliveryTag: number }): void {
    this.said.push(`nack ${deliveryTag}`)
  }
}

function delivery(channel: FakeChannel, id: string, tag: number): Delivery {
  return {
    channel: channel as unknown as Channel,
    tag,
    consumer: { tag: 'c', left: 0, closed: undefined },
    letter: { record: { id, type: 't', priority: 0, createdAt: clock.now() }, payload: '1' },
    attempts: 2,
    readyAt: clock.now() - 40,
    rank: undefined,
    arrivedAt: clock.monotonic(),
    kind: 'task',
  }
}

beforeEach(() => {
  clock = new VirtualClock()
  grants = new Grants(clock, 'process', LONGEST_MS)
})

describe('grants', () => {
  it('counts the attempt, and says how long the task waited', () => {
    const claim = grants.grant(delivery(new FakeChannel(), 'a', 1), 1_000)
    expect(claim).toMatchObject({ id: 'a', waitedMs: 40, expired: false, task: { attempts: 3 } })
    expect(grants.size).toBe(1)
  })

  it('the same delivery tag of another channel is another token: the old one names nothing', () => {
    const [before, after] = [new FakeChannel(), new FakeChannel()]
    const old = grants.grant(delivery(before, 'a', 1), 1_000)
    before.active = false
    grants.forget(before as unknown as Channel)
    const again = grants.grant(delivery(after, 'a', 1), 1_000)
    expect(again.token).not.toBe(old.token)
    expect(grants.take(old)).toBe(undefined)
    expect(grants.extend(old, 1_000)).toEqual({ status: 'stale' })
    expect(grants.take({ id: 'b', token: again.token })).toBe(undefined)
    expect(grants.take(again)?.delivery.channel).toBe(after)
    expect(grants.take(again)).toBe(undefined)
  })

  it('a lease that ends is given back, once', async () => {
    const channel = new FakeChannel()
    const claim = grants.grant(delivery(channel, 'a', 7), 1_000)
    await clock.advance(999)
    expect(channel.said).toEqual([])
    await clock.advance(1)
    expect(channel.said).toEqual(['nack 7'])
    expect(grants.take(claim)).toBe(undefined)
    expect(channel.said).toEqual(['nack 7'])
  })

  it('an extension moves the end, as far as the server bears', async () => {
    const channel = new FakeChannel()
    const claim = grants.grant(delivery(channel, 'a', 7), 4_000)
    for (let beat = 0; beat < 2; beat++) {
      await clock.advance(3_000)
      expect(grants.extend(claim, 4_000)).toEqual({ status: 'extended', token: claim.token })
    }
    await clock.advance(1)
    expect(grants.extend(claim, 4_000)).toEqual({ status: 'stale' })
    expect(channel.said).toEqual(['nack 7'])
  })

  it('a process that stood still finds its lease over, although no timer has fired', async () => {
    const channel = new FakeChannel()
    const late = new VirtualClock()
    const still = new Grants(
      { now: () => late.now(), monotonic: () => late.monotonic(), after: () => () => {} },
      'p',
      LONGEST_MS,
    )
    const claim = still.grant(delivery(channel, 'a', 7), 1_000)
    await late.advance(1_000)
    expect(still.take(claim)).toBe(undefined)
    expect(channel.said).toEqual(['nack 7'])
  })

  it('what could not be ended goes on, unless its channel is gone', async () => {
    const channel = new FakeChannel()
    const claim = grants.grant(delivery(channel, 'a', 7), 1_000)
    const taken = grants.take(claim)
    if (taken) grants.giveBack(taken)
    expect(grants.take(claim)).toBe(taken)
    channel.active = false
    if (taken) grants.giveBack(taken)
    expect(grants.take(claim)).toBe(undefined)
    expect(channel.said).toEqual([])
  })

  it('an acknowledgement waits until the server knows that the consumer is owed nothing more', async () => {
    const channel = new FakeChannel()
    let known: () => void = () => {}
    const closing = new Promise<void>((resolve) => {
      known = resolve
    })
    const one = delivery(channel, 'a', 7)
    one.consumer.closed = closing
    grants.grant(one, 1_000)
    await clock.advance(1_000)
    expect(channel.said).toEqual([])
    known()
    await clock.advance(0)
    expect(channel.said).toEqual(['nack 7'])
    expect(one.consumer.left).toBe(0)
  })
})
