/** Server-side request forgery: whatever a target or a callback is called, the gateway's own network is not reached. */

import type { LookupAddress } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { openGateway, startTarget } from './running.ts'

const at = (...addresses: readonly string[]): LookupAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

/** Delivers one task to a name that resolves to these addresses; resolves with the code of its dead letter. */
async function deliver(port: string, addresses: readonly LookupAddress[]): Promise<string> {
  const gateway = await openGateway(
    { api: { target: `http://service.example:${port}/`, retry: { maxAttempts: 1 } } },
    { allowPrivateTargets: [] },
    { resolve: async () => addresses },
  )
  await gateway.start()
  const ended = new Promise<string>((tell) => {
    const consumer = gateway.queues.get('api')?.consumer
    consumer?.on('dead', ({ failure }) => tell(failure.code))
    consumer?.on('completed', () => tell('completed'))
  })
  await gateway.app.inject({ method: 'POST', url: '/v1/queues/api/tasks', payload: { payload: 1 } })
  return ended
}

describe('a name that resolves to', () => {
  it.each([
    ['loopback', ['127.0.0.1']],
    ['loopback, in IPv6', ['::1']],
    ['loopback, mapped', ['::ffff:127.0.0.1']],
    ['the address of cloud metadata', ['169.254.169.254']],
    ['a private network', ['10.1.2.3']],
    ['a unique local address', ['fd00::1']],
    ['a carrier-grade NAT', ['100.64.0.1']],
    ['a NAT64 of a private address', ['64:ff9b::a01:203']],
    ['a public address and a private one', ['93.184.215.14', '10.0.0.1']],
  ])('%s is not called', async (_what, addresses) => {
    const target = await startTarget()
    expect(await deliver(new URL(target.url).port, at(...addresses))).toBe('TARGET_REFUSED')
    expect(target.received).toHaveLength(0)
  })
})

it('asks for a name once a connect, and connects to the address that it judged: rebinding gains nothing', async () => {
  const target = await startTarget()
  const { port } = new URL(target.url)
  // 127.0.0.1 is on the list here; a second look-up, which must not be made, would lead elsewhere.
  let asked = 0
  const resolve = async () => at(asked++ === 0 ? '127.0.0.1' : '10.0.0.1')
  const gateway = await openGateway({ api: { target: `http://service.example:${port}/` } }, {}, { resolve })
  await gateway.start()
  const completed = new Promise((done) => gateway.queues.get('api')?.consumer.on('completed', done))
  await gateway.app.inject({ method: 'POST', url: '/v1/queues/api/tasks', payload: { payload: 1 } })
  await completed
  expect(asked).toBe(1)
  expect(target.received[0]?.headers.host).toBe(`service.example:${port}`)
})

describe('a configured target', () => {
  it.each([
    'http://127.0.0.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::1]/',
    'http://localhost/',
    'http://169.254.169.254/latest',
    'http://[fd00::1]/',
    'http://100.64.3.2/',
    'http://0.0.0.0/',
  ])('%s is refused at start, with the line', async (target) => {
    const opened = openGateway({ api: { target } }, { allowPrivateTargets: [] })
    await expect(opened).rejects.toThrow(/^test\.yaml:1: queues\.api\.target\.url: the target .* is not public/)
    await expect(opened).rejects.toBeInstanceOf(ForebayError)
  })
})

describe('a callback URL', () => {
  it.each([
    ['http://169.254.169.254/', 502, 'TARGET_REFUSED'],
    ['http://0x7f.1/', 502, 'TARGET_REFUSED'],
    ['file:///etc/passwd', 502, 'TARGET_REFUSED'],
    ['http://user:password@example.com/', 502, 'TARGET_REFUSED'],
    ['nonsense', 400, 'INVALID_REQUEST'],
  ])('%s is refused before anything is queued', async (url, status, code) => {
    const gateway = await openGateway(
      { api: { target: 'http://example.com/', paused: true, callbacks: true } },
      { allowPrivateTargets: [] },
    )
    const headers = { 'forebay-callback-url': url }
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/api/tasks',
      payload: { payload: 1 },
      headers,
    })
    expect([response.statusCode, response.json().error.code]).toEqual([status, code])
    expect((await gateway.queues.get('api')?.queue.depth())?.ready).toBe(0)
  })
})
