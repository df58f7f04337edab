/** Who may deliver: the receiver of Cloud Tasks takes Google's tokens for it, and no others. */

import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SKEW_MS } from '../../packages/forebay/src/backends/cloud-tasks/oidc.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { SERVICE_ACCOUNT } from '../servers/cloud-tasks.ts'
import { TokenMint } from '../servers/cloud-tasks-tokens.ts'
import { CloudTasksScene, until } from './clouds/cloud-tasks-scene.ts'
import { claimNow, settle, task } from './clouds/one-task.ts'

let scene: CloudTasksScene

beforeEach(async () => {
  scene = await CloudTasksScene.set()
  await scene.open()
})

afterEach(() => scene.end())

/** A delivery that nobody at Google made. */
async function deliver(authorization: string | undefined, { path = scene.name, method = 'POST', headers = {} } = {}) {
  const answer = await fetch(`${scene.direct}/${path}`, {
    method,
    headers: {
      'x-cloudtasks-taskname': 'forged',
      ...headers,
      ...(authorization !== undefined && { authorization }),
    },
    ...(method === 'POST' && { body: '{"forebay":1,"id":"forged","type":"charge","createdAt":0}\n1' }),
    signal: AbortSignal.timeout(5_000),
  })
  return { status: answer.status, text: await answer.text() }
}

function good(claims = {}, header = {}): string {
  return scene.server.mint.token(SERVICE_ACCOUNT, scene.target, claims, header)
}

/** Signed with the public key as if it were a secret, which a careless verifier takes. */
function confused(): string {
  const [, body] = good().split('.')
  const head = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: '1' })).toString('base64url')
  return `${head}.${body}.${createHmac('sha256', 'public').update(`${head}.${body}`).digest('base64url')}`
}

const NOW = () => Math.floor(systemClock.now() / 1_000)

test.each<[string, () => string | undefined, string]>([
  ['none', () => undefined, 'there is none'],
  ['another scheme', () => 'Basic Zm9vOmJhcg==', 'there is none'],
  ['no JWT', () => 'Bearer a.b', 'it is no JWT'],
  ['no JSON', () => 'Bearer a.b.c', 'it is no JWT'],
  ['null', () => `Bearer ${Buffer.from('null').toString('base64url')}.bnVsbA.c`, 'it is no JWT'],
  ['not signed', () => `Bearer ${good({}, { alg: 'none' }).replace(/[^.]*$/, '')}`, 'signed by none'],
  ['another algorithm', () => `Bearer ${confused()}`, 'signed by HS256'],
  [
    'a signature of somebody else',
    () => `Bearer ${new TokenMint().token(SERVICE_ACCOUNT, scene.target)}`,
    'signature is wrong',
  ],
  ['an unknown key', () => `Bearer ${good({}, { kid: 'nobody' })}`, 'none of the issuer’s'],
  [
    'a changed body',
    () => `Bearer ${good().replace(/\.[^.]*\./, `.${good({ email: SERVICE_ACCOUNT, sub: '2' }).split('.')[1]}.`)}`,
    'signature is wrong',
  ],
  ['another receiver', () => `Bearer ${scene.server.mint.token(SERVICE_ACCOUNT, 'https://other.example')}`, 'audience'],
  [
    'another account',
    () => `Bearer ${scene.server.mint.token('other@shop.iam.gserviceaccount.com', scene.target)}`,
    'in the name of',
  ],
  ['an address that was not verified', () => `Bearer ${good({ email_verified: false })}`, 'in the name of'],
  ['another issuer', () => `Bearer ${good({ iss: 'https://evil.example' })}`, 'issuer'],
  ['expired', () => `Bearer ${good({ exp: NOW() - SKEW_MS / 1_000 - 1 })}`, 'has expired'],
  ['no end', () => `Bearer ${good({ exp: undefined })}`, 'has expired'],
  ['not yet', () => `Bearer ${good({ iat: NOW() + SKEW_MS / 1_000 + 5 })}`, 'not good yet'],
])('a token that is wrong is refused, and nothing is held: %s', async (_, authorization, why) => {
  const { status, text } = await deliver(authorization())
  expect(status).toBe(401)
  expect(text).toContain(why)
  const queue = await scene.open()
  expect(await claimNow(queue)).toEqual([])
})

test('what is no delivery is refused, each with a reason', async () => {
  const authorization = `Bearer ${good()}`
  expect(await deliver(authorization, { method: 'GET' })).toMatchObject({ status: 405 })
  expect(await deliver(authorization, { path: 'nobodys' })).toMatchObject({ status: 503 })
  expect(await deliver(authorization, { headers: { 'x-cloudtasks-taskname': '' } })).toMatchObject({ status: 400 })
})

test('clocks may differ by a minute', async () => {
  const queue = await scene.open()
  for (const aheadMs of [0.8 * SKEW_MS, -0.8 * SKEW_MS]) {
    scene.server.mint.aheadMs = aheadMs
    await queue.push([task()])
    const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    if (!claim) throw new Error('It did not come.')
    expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
  }
})

test('a clock that is wrong by an hour loses nothing: what was refused comes again', async () => {
  const queue = await scene.open()
  scene.server.mint.aheadMs = 3_600_000
  await queue.push([task({ id: 'a' })])
  await until(() => scene.front.asked.length >= 1 && scene.at().underWay === 0)
  expect(await claimNow(queue)).toEqual([])
  scene.server.mint.aheadMs = 0
  const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
  expect(claim?.id).toBe('a')
})

test('new keys are fetched when a token is signed with one, and not for each forged one', async () => {
  const queue = await scene.open()
  const { mint } = scene.server
  const take = async () => (await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })).length
  await queue.push([task()])
  expect(await take()).toBe(1)
  for (let n = 0; n < 5; n++) await deliver(`Bearer ${good({}, { kid: `forged ${n}` })}`)
  expect(mint.fetched).toBe(1)
})

test('keys that can’t be fetched: nothing is granted, nothing is lost', async () => {
  const queue = await scene.open()
  scene.server.mint.away = true
  await queue.push([task({ id: 'a' })])
  await until(() => scene.front.asked.length >= 1 && scene.at().underWay === 0)
  scene.server.mint.away = false
  const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
  expect(claim?.id).toBe('a')
})
