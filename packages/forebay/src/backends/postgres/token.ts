/**
 * A token names a grant and a place in it: `grant << 6 | place`. A grant's number is the next of a sequence, with 20 bits of
 * chance behind it: where a standby takes over without the last few transactions, numbers come again, and tokens do not.
 */

export const GRANT_BITS = 6
/** So many tasks in one grant, at most: a bit for each in 64. */
export const GRANT_SIZE = 1 << GRANT_BITS

const LARGEST = 2n ** 63n - 1n

/** Undefined if it can be none. */
export function readToken(token: string): bigint | undefined {
  if (!/^\d{1,19}$/.test(token)) return undefined
  const number = BigInt(token)
  return number <= LARGEST ? number : undefined
}

/** The numbers of the grants, each once, in their order. */
export function grantsOf(tokens: readonly bigint[]): bigint[] {
  const numbers = new Set(tokens.map((token) => token >> BigInt(GRANT_BITS)))
  return [...numbers].sort((a, b) => (a < b ? -1 : 1))
}
