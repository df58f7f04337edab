/**
 * Who may call: the tokens of the configuration, looked up by their hash, so that neither the memory of this process nor
 * the time that a look-up takes tells anything of a token.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ForebayError } from '../errors.ts'

/** Where a caller may put its token if `Authorization` is meant for the target behind the gateway. */
const OWN_HEADER = 'forebay-authorization'

export class TokenGate {
  readonly #hashes: readonly Buffer[]

  /** @param tokens Plain, or `sha256:` and the token's hash in hex. None: everybody may call. */
  constructor(tokens: readonly string[]) {
    this.#hashes = tokens.map((token) =>
      token.startsWith('sha256:') ? Buffer.from(token.slice('sha256:'.length), 'hex') : hashOf(token),
    )
  }

  /** @throws ForebayError UNAUTHORIZED; INVALID_REQUEST for a token in the URL, where it ends up in logs. */
  check(headers: IncomingHttpHeaders, query: string): void {
    if (this.#hashes.length === 0) return
    if (query !== '' && [...new URLSearchParams(query).values()].some((value) => this.#isToken(value))) {
      throw new ForebayError(
        'INVALID_REQUEST',
        'A token in a URL ends up in logs. Take it out of use and send it as a header.',
      )
    }
    const own = headers[OWN_HEADER]
    if (this.isOwn(headers.authorization) || this.isOwn(Array.isArray(own) ? own[0] : own)) return
    throw new ForebayError('UNAUTHORIZED', 'This gateway answers nobody without one of its tokens.')
  }

  /** Whether an `Authorization` holds one of the gateway's own tokens. */
  isOwn(authorization: string | undefined): boolean {
    const token = /^bearer +(\S{1,512}) *$/i.exec(authorization ?? '')?.[1]
    return token !== undefined && this.#isToken(token)
  }

  #isToken(text: string): boolean {
    const hash = hashOf(text)
    let found = false
    for (const known of this.#hashes) found = timingSafeEqual(known, hash) || found
    return found
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}
