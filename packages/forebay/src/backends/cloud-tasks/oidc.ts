/**
 * Whether a delivery is Google's: the token of its Authorization header must be signed with one of Google's keys, for this
 * receiver (audience), in the name of the service account that the tasks were created with, and in its time.
 */

import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { messageOf } from '../../errors.ts'

/** A key as a JWKS holds it. */
export type SigningKey = JsonWebKey & { readonly kid?: string }

/** Fetches the keys that tokens may be signed with, and says how long they are good for. */
export type FetchKeys = () => Promise<{ readonly keys: readonly SigningKey[]; readonly maxAgeMs: number }>

export interface OidcRules {
  readonly audience: string
  readonly serviceAccount: string
}

const GOOGLE_KEYS = 'https://www.googleapis.com/oauth2/v3/certs'
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com']
/** Clocks may differ by so much. */
export const SKEW_MS = 60_000
/** An unknown key makes us look for new ones, but not more often. */
const REFETCH_MS = 60_000
const FETCH_MS = 5_000

interface Token {
  readonly header: { readonly alg?: string; readonly kid?: string }
  readonly claims: {
    readonly iss?: string
    readonly aud?: string
    readonly email?: string
    readonly email_verified?: boolean
    readonly exp?: number
    readonly iat?: number
    readonly nbf?: number
  }
  readonly signed: string
  readonly signature: Buffer
}

/** The keys could not be fetched: nothing can be said about the token. */
export class KeysAway extends Error {}

export class OidcVerifier {
  readonly #clock: Clock
  readonly #fetchKeys: FetchKeys
  #keys = new Map<string, KeyObject>()
  #goodUntil = Number.NEGATIVE_INFINITY
  #fetchedAt = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined

  constructor(clock: Clock, fetchKeys: FetchKeys = googleKeys) {
    this.#clock = clock
    this.#fetchKeys = fetchKeys
  }

  /**
   * Undefined if the token is good, else what is wrong with it.
   *
   * @throws KeysAway
   */
  async refusal(authorization: string | undefined, rules: OidcRules): Promise<string | undefined> {
    const token = read(authorization)
    if (typeof token === 'string') return token
    const { header, claims, signed, signature } = token
    if (header.alg !== 'RS256') return `it is signed by ${header.alg}, not RS256`
    const wrong = wrongClaim(claims, rules, this.#clock.now())
    if (wrong !== undefined) return wrong
    const key = await this.#key(header.kid ?? '')
    if (!key) return 'it is signed with a key that is none of the issuer’s'
    return verify('RSA-SHA256', Buffer.from(signed), key, signature) ? undefined : 'its signature is wrong'
  }

  async #key(kid: string): Promise<KeyObject | undefined> {
    const now = this.#clock.monotonic()
    const isNew = !this.#keys.has(kid) && now >= this.#fetchedAt + REFETCH_MS
    if (now >= this.#goodUntil || isNew) {
      this.#fetching ??= this.#fetch().finally(() => {
        this.#fetching = undefined
      })
      await this.#fetching
    }
    return this.#keys.get(kid)
  }

  async #fetch(): Promise<void> {
    try {
      const { keys, maxAgeMs } = await this.#fetchKeys()
      const read = keys.map((jwk) => [jwk.kid ?? '', createPublicKey({ key: jwk, format: 'jwk' })] as const)
      this.#keys = new Map(read)
      this.#fetchedAt = this.#clock.monotonic()
      this.#goodUntil = this.#fetchedAt + maxAgeMs
    } catch (cause) {
      // Keys that were good a moment ago are better than none.
      if (this.#keys.size === 0) throw new KeysAway(messageOf(cause), { cause })
    }
  }
}

function wrongClaim(claims: Token['claims'], rules: OidcRules, now: number): string | undefined {
  const { iss = '', aud, email, email_verified: isVerified, exp = 0, iat = 0, nbf = 0 } = claims
  if (!ISSUERS.includes(iss)) return `its issuer is "${iss}"`
  if (aud !== rules.audience) return `its audience is "${aud}", not "${rules.audience}"`
  if (email !== rules.serviceAccount || isVerified !== true) return `it is in the name of "${email}"`
  if (exp * 1_000 + SKEW_MS <= now) return 'it has expired, or the clock of this machine is ahead'
  if (Math.max(iat, nbf) * 1_000 - SKEW_MS > now) return 'it is not good yet, or the clock of this machine is behind'
  return undefined
}

function read(authorization: string | undefined): Token | string {
  const [, text] = /^Bearer\s+(\S+)$/i.exec(authorization ?? '') ?? []
  if (text === undefined) return 'there is none'
  const [head, body, signature, ...more] = text.split('.')
  if (head === undefined || body === undefined || signature === undefined || more.length > 0) return 'it is no JWT'
  try {
    const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    const [header, claims] = [parse(head), parse(body)]
    if (header === null || typeof header !== 'object' || claims === null || typeof claims !== 'object')
      return 'it is no JWT'
    return { header, claims, signed: `${head}.${body}`, signature: Buffer.from(signature, 'base64url') }
  } catch {
    return 'it is no JWT'
  }
}

async function googleKeys() {
  const answer = await fetch(GOOGLE_KEYS, { signal: AbortSignal.timeout(FETCH_MS) })
  if (!answer.ok) throw new Error(`${GOOGLE_KEYS} answered ${answer.status}`)
  const { keys } = (await answer.json()) as { keys: SigningKey[] }
  const [, seconds = '3600'] = /max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '') ?? []
  return { keys, maxAgeMs: Number(seconds) * 1_000 }
}
