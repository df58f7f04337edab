import { headers, type Msg } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { callForMessages, type EndedCall } from './message-call.ts'
import type { Listener } from './request-desk.ts'

/** A message of the consumer, with so many behind it. */
function delivery(left = 0): Msg {
  return { reply: `$JS.ACK.tasks.ready.1.7.1.1795624799222000000.${left}`, data: new Uint8Array() } as Msg
}

/** A word of the consumer about the call. */
function word(code: number, description: string): Msg {
  return { reply: '', data: new Uint8Array(), headers: headers(code, description) } as unknown as Msg
}

function begin(batch = 10) {
  const clock = new VirtualClock()
  let listener: Listener | undefined
  let ended = 0
  const pull = (_batch: number, _waitMs: number, told: Listener) => {
    listener = told
    return { end: () => void ended++ }
  }
  const delivered: number[] = []
  const onDelivery = ({ sequence }: { readonly sequence: number }) => void delivered.push(sequence)
  const call = callForMessages({ batch, waitMs: 1_000, clock, pull, onDelivery })
  return {
    clock,
    call,
    delivered,
    hear: (message: Msg) => listener?.onMessage(message),
    lose: (error: ForebayError) => listener?.onLost(error),
    ended: () => ended,
  }
}

const words: [string, Msg[], EndedCall][] = [
  ['as many as were asked for', [delivery(5), delivery(4)], { brought: 2, why: 'full' }],
  ['the end', [delivery(0), word(408, 'Request Timeout')], { brought: 1, why: 'end' }],
  ['an end before all was brought', [delivery(3), word(408, 'Request Timeout')], { brought: 1, why: 'early' }],
  ['nothing in its time', [word(408, 'Request Timeout')], { brought: 0, why: 'end' }],
  ['others who wait', [word(408, 'Requests Pending')], { brought: 0, why: 'refused' }],
  ['no place', [word(409, 'Exceeded MaxWaiting')], { brought: 0, why: 'refused' }],
]

test.each(words)('%s ends a call', async (_what, messages, expected) => {
  const { call, hear, delivered, ended, clock } = begin(2)
  for (const message of messages) hear(message)
  expect(await call).toEqual(expected)
  expect(delivered).toEqual(Array(expected.brought).fill(7))
  expect(ended()).toBe(1)
  expect(clock.nextDue).toBeUndefined()
})

test('silence after its time, or after the last message, ends a call', async () => {
  const { call, hear, clock } = begin()
  await clock.advance(1_050)
  hear(delivery(1))
  await clock.advance(60)
  hear(delivery(1))
  let over = false
  void call.then(() => {
    over = true
  })
  await clock.advance(60)
  expect(over).toBe(false)
  await clock.advance(60)
  expect(await call).toEqual({ brought: 2, why: 'silent' })
})

test.each([
  [word(503, 'No Responders'), 'The consumer is gone'],
  [word(409, 'Consumer Deleted'), 'The consumer is gone: Consumer Deleted'],
])('a consumer that is gone is told of', async (message, says) => {
  const { call, hear } = begin()
  hear(message)
  await expect(call).rejects.toThrow(says)
})

test('a lost connection rejects', async () => {
  const { call, lose } = begin()
  lose(new ForebayError('BACKEND_UNAVAILABLE', 'lost'))
  await expect(call).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
})
