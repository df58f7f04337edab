/**
 * Which headers pass a gateway, and which belong to one connection only (RFC 9110, 7.6.1). Header lists are pairs in the
 * order in which they came, so that what passes passes unchanged: case, order and repetition.
 */

export type HeaderPair = readonly [name: string, value: string]

const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
])

/** Made anew for the next connection: the framing and whom it is meant for. */
const REBUILT = new Set(['content-length', 'expect', 'host'])

/** Ours, both ways: nobody else may set them. */
const OWN_PREFIX = 'forebay-'

/** Headers whose values nobody may see but the target. */
export const SECRET_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'proxy-authorization',
  'x-api-key',
])

/** Node's flat list of names and values as pairs. */
export function headerPairs(raw: readonly string[]): HeaderPair[] {
  const pairs: HeaderPair[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] as string, raw[at + 1] as string])
  return pairs
}

/**
 * What of a caller's request goes on to the target: all but what belongs to the connection, what `Connection` names, what
 * is rebuilt and what is ours.
 * @param dropAuthorization Whether `Authorization` holds the gateway's own token.
 */
export function forwardedHeaders(pairs: readonly HeaderPair[], dropAuthorization: boolean): HeaderPair[] {
  const kept: HeaderPair[] = []
  for (const [name, value] of endToEnd(pairs)) {
    const lower = name.toLowerCase()
    if (REBUILT.has(lower) || lower.startsWith(OWN_PREFIX)) continue
    if (lower === 'authorization' && dropAuthorization) continue
    const passed = lower === 'prefer' ? otherPreferences(value) : value
    if (passed !== '') kept.push([name, passed])
  }
  return kept
}

/** What of a target's answer goes back to the caller. */
export function answeredHeaders(pairs: readonly HeaderPair[]): HeaderPair[] {
  return endToEnd(pairs).filter(([name]) => {
    const lower = name.toLowerCase()
    return lower !== 'content-length' && !lower.startsWith(OWN_PREFIX)
  })
}

/** The same headers as anybody may see them: the values of secrets are gone. */
export function redactedHeaders(pairs: readonly HeaderPair[]): HeaderPair[] {
  return pairs.map(([name, value]) => [name, SECRET_HEADERS.has(name.toLowerCase()) ? '[redacted]' : value])
}

/** Lays `over` upon `pairs`: a name that `over` has is taken from there. */
export function withHeaders(pairs: readonly HeaderPair[], over: readonly HeaderPair[]): HeaderPair[] {
  const taken = new Set(over.map(([name]) => name.toLowerCase()))
  return [...pairs.filter(([name]) => !taken.has(name.toLowerCase())), ...over]
}

export function headerOf(pairs: readonly HeaderPair[], wanted: string): string | undefined {
  return pairs.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

/** What a caller prefers (RFC 7240), as far as it concerns the gateway. */
export interface Preferences {
  readonly respondAsync: boolean
  /** Whether the answer shall say when the task is likely to start. */
  readonly estimate: boolean
  /** Seconds. */
  readonly wait: number | undefined
}

export function preferences(value = ''): Preferences {
  let respondAsync = false
  let estimate = false
  let wait: number | undefined
  for (const wish of value.toLowerCase().split(',')) {
    if (wish.trim() === 'respond-async') respondAsync = true
    if (wish.trim() === 'estimate') estimate = true
    const seconds = wish.includes('wait') ? /^\s*wait\s*=\s*"?(\d{1,9})"?\s*$/.exec(wish)?.[1] : undefined
    // The first of two stands (RFC 7240, section 2).
    if (seconds !== undefined) wait ??= Number(seconds)
  }
  return { respondAsync, estimate, wait }
}

/** The preferences that are the target's to honour. */
function otherPreferences(value: string): string {
  const others = value.split(',').filter((wish) => !/^\s*(respond-async|estimate|wait\s*=.*)\s*$/i.test(wish))
  return others.join(',').trim()
}

function endToEnd(pairs: readonly HeaderPair[]): HeaderPair[] {
  const dropped = new Set(HOP_BY_HOP)
  for (const [name, value] of pairs) {
    if (name.toLowerCase() !== 'connection') continue
    for (const named of value.split(',')) dropped.add(named.trim().toLowerCase())
  }
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase()))
}
