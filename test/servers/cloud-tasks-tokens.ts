/** OIDC tokens as Google makes them, signed with a key of the test; and forged ones. */

import { generateKeyPairSync, sign } from 'node:crypto'
import type { FetchKeys } from '../../packages/forebay/src/backends/cloud-tasks/oidc.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'

export interface Claims {
  readonly [name: string]: unknown
}

export class TokenMint {
  #pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  #kid = 1
  #last: { readonly key: string; readonly token: string } | undefined
  /** How much this clock is ahead of the machine's. */
  aheadMs = 0
  /** How often the keys were fetched. */
  fetched = 0
  /** Whether the keys can't be fetched. */
  away = false

  /** As a receiver is to be given it. */
  readonly keys: FetchKeys = async () => {
    this.fetched++
    if (this.away) throw new Error('the keys are away')
    const jwk = this.#pair.publicKey.export({ format: 'jwk' })
    return { keys: [{ ...jwk, kid: String(this.#kid) }], maxAgeMs: 3_600_000 }
  }

  /** Signs with a new key from now on. */
  rotate(): void {
    this.#pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    this.#kid++
  }

  /** As the deliveries carry it: good for an hour, and made anew each second. */
  usual(email: string, audience: string): string {
    const key = `${this.#kid} ${Math.floor(systemClock.now() / 1_000)} ${this.aheadMs} ${email} ${audience}`
    if (this.#last?.key !== key) this.#last = { key, token: this.token(email, audience) }
    return this.#last.token
  }

  token(email: string, audience: string, other: Claims = {}, header: Claims = {}): string {
    const now = Math.floor((systemClock.now() + this.aheadMs) / 1_000)
    const head = { alg: 'RS256', typ: 'JWT', kid: String(this.#kid), ...header }
    const claims = {
      iss: 'https://accounts.google.com',
      aud: audience,
      azp: '1',
      sub: '1',
      email,
      email_verified: true,
      iat: now,
      exp: now + 3_600,
      ...other,
    }
    const signed = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), this.#pair.privateKey).toString('base64url')}`
  }
}
