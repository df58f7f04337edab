/**
 * A token names a grant and a place in it: the grant's number, and then two digits for the place. A grant's number is the next of a
 * sequence, with 20 bits of chance behind it: where a standby takes over without the last few transactions, numbers come again, and
 * tokens do not.
 */

/** So many tasks in one grant, at most: a bit for each in 64. */
export const GRANT_SIZE = 64

const PLACE_DIGITS = 2
const LARGEST_GRANT = 2n ** 63n - 1n

export interface Token {
  /** The grant's number, as a text: nearly all of a batch have one of a few. */
  readonly grant: string
  readonly place: number
}

export function tokenOf(grant: string, place: number): string {
  return grant + (place < 10 ? '0' : '') + place
}

/** Undefined if it can be none. */
export function readToken(token: string): Token | undefined {
  if (!/^[1-9]\d{2,20}$/.test(token)) return undefined
  const grant = token.slice(0, -PLACE_DIGITS)
  const place = Number(token.slice(-PLACE_DIGITS))
  if (place >= GRANT_SIZE || (grant.length === 19 && BigInt(grant) > LARGEST_GRANT)) return undefined
  return { grant, place }
}
