import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { type FetchKeys, KeysAway, OidcVerifier } from './oidc.ts'

const RULES = { audience: 'https://shop.example', serviceAccount: 'a@shop.example' }
const made = (kid: string) => ({ kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) })
const PAIRS = [made('one'), made('two')] as const

/** A server of keys that has one pair at a time, and counts who asks. */
function keyServer(maxAgeMs: number) {
  const state = { at: 0 as 0 | 1, asked: 0, away: false }
  const keys: FetchKeys = async () => {
    state.asked++
    if (state.away) throw new Error('away')
    const { kid, publicKey } = PAIRS[state.at]
    return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid }], maxAgeMs }
  }
  return { state, keys }
}

function token(at: 0 | 1, nowMs: number): string {
  const { kid, privateKey } = PAIRS[at]
  const [email, aud] = [RULES.serviceAccount, RULES.audience]
  const iat = Math.floor(nowMs / 1_000)
  const claims = { iss: 'accounts.google.com', aud, email, email_verified: true, iat, exp: iat + 3_600 }
  const parts = [{ alg: 'RS256', kid }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  return `Bearer ${parts.join('.')}.${sign('RSA-SHA256', Buffer.from(parts.join('.')), privateKey).toString('base64url')}`
}

test('keys are fetched once for as long as they are good, however many ask at once', async () => {
  const clock = new VirtualClock()
  const { state, keys } = keyServer(600_000)
  const verifier = new OidcVerifier(clock, keys)
  const ask = () => verifier.refusal(token(0, clock.now()), RULES)
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([undefined, undefined, undefined])
  expect(state.asked).toBe(1)
  await clock.advance(600_000)
  expect(await ask()).toBeUndefined()
  expect(state.asked).toBe(2)
})

test('a new key is looked for, at most once a minute', async () => {
  const clock = new VirtualClock()
  const { state, keys } = keyServer(86_400_000)
  const verifier = new OidcVerifier(clock, keys)
  expect(await verifier.refusal(token(0, clock.now()), RULES)).toBeUndefined()
  state.at = 1
  expect(await verifier.refusal(token(1, clock.now()), RULES)).toContain('none of the issuer')
  expect(state.asked).toBe(1)
  await clock.advance(60_000)
  expect(await verifier.refusal(token(1, clock.now()), RULES)).toBeUndefined()
  expect(state.asked).toBe(2)
})

test('without keys nothing can be said; old ones are better than none', async () => {
  const clock = new VirtualClock()
  const { state, keys } = keyServer(600_000)
  const verifier = new OidcVerifier(clock, keys)
  state.away = true
  await expect(verifier.refusal(token(0, clock.now()), RULES)).rejects.toBeInstanceOf(KeysAway)
  state.away = false
  expect(await verifier.refusal(token(0, clock.now()), RULES)).toBeUndefined()
  state.away = true
  await clock.advance(600_000)
  expect(await verifier.refusal(token(0, clock.now()), RULES)).toBeUndefined()
})
