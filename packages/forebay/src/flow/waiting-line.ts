/**
 * The waiting line of the refused: what `Retry-After` should a full queue answer, so that who obeys it gets in?
 *
 * The same answer for everybody sends the whole crowd back at one moment, to be refused again. So each refusal is promised
 * its own place: places become free at the drain rate d, and the k-th promise falls due one place after the one before it,
 *
 *     due_k = max(now, due_(k-1)) + 1 / (SAFETY d),        told: rounded up to whole seconds, as the header carries them
 *
 * and places that promises fall due for are kept from newcomers: while a line stands, a newcomer may not use the last
 * `reserved` places, where reserved = promises due by now + AHEAD_MS, not redeemed and not older than GRACE_MS, at most half
 * the bound (so a line of ghosts never starves the queue). A promise is redeemed by its identity: an id that the producer
 * chose, or else a fingerprint of the task, since a retried request repeats its content.
 *
 * Regimes: no line (nothing reserved, everybody is equal); a line that is obeyed (newcomers queue up behind it); a line that
 * went away (its promises lapse GRACE_MS after they were due). Units: milliseconds, places, places per second.
 */

/** Promises assume a little less than the measured rate, so that an error in it does not make the last of a long line return too early. */
const SAFETY = 0.95
const AHEAD_MS = 1_500
const GRACE_MS = 2_000
const LONGEST_WAIT_MS = 300_000
/** A task that returns this much before its time is still on time: clocks and networks. */
const EARLY_MS = 100
/** The line's own bound on memory; who comes behind it is told the last place's time. */
const LONGEST_LINE = 50_000

interface Place {
  readonly identity: string
  /** When the place is free, and when its holder was told to come (not before it is free). */
  readonly freeAt: number
  readonly toldAt: number
  redeemed: boolean
}

export class WaitingLine {
  /** In the order of `freeAt`; `toldAt` is within a second of that order. */
  #places: Place[] = []
  readonly #byIdentity = new Map<string, Place[]>()
  #standing = 0

  /**
   * Promises a place to a refused task.
   * @param drainPerSecond The measured or expected rate, above 0.
   * @param unique Whether `identity` belongs to this task alone: then an early return keeps the place that it has.
   * @returns After how many ms to come again: whole seconds.
   */
  promise(now: number, identity: string, unique: boolean, drainPerSecond: number): number {
    this.#dropLapsed(now)
    const held = unique ? this.#byIdentity.get(identity)?.[0] : undefined
    if (held) return wholeSeconds(held.toldAt - now)
    const spacing = 1_000 / (SAFETY * drainPerSecond)
    const last = this.#places.at(-1)
    const freeAt = Math.min(Math.max(now, last?.freeAt ?? now) + spacing, now + LONGEST_WAIT_MS)
    const wait = wholeSeconds(freeAt - now)
    if (this.#places.length < LONGEST_LINE) this.#add({ identity, freeAt, toldAt: now + wait, redeemed: false })
    return wait
  }

  /** Whether this task was promised a place for now; the promise is then used up. */
  redeem(now: number, identity: string): boolean {
    const places = this.#byIdentity.get(identity)
    const place = places?.find((candidate) => candidate.toldAt <= now + EARLY_MS)
    if (!places || !place) return false
    this.#forget(place)
    return true
  }

  /** How many of `bound` places newcomers may not use now. */
  reserved(now: number, bound: number): number {
    this.#dropLapsed(now)
    const most = Math.floor(bound / 2)
    let due = 0
    for (const place of this.#places) {
      if (due === most || place.freeAt > now + AHEAD_MS) break
      if (!place.redeemed && place.toldAt <= now + AHEAD_MS) due++
    }
    return due
  }

  /** How many promises stand. */
  get length(): number {
    return this.#standing
  }

  #add(place: Place): void {
    this.#places.push(place)
    this.#standing++
    const places = this.#byIdentity.get(place.identity)
    if (places) places.push(place)
    else this.#byIdentity.set(place.identity, [place])
  }

  #forget(place: Place): void {
    place.redeemed = true
    this.#standing--
    const places = this.#byIdentity.get(place.identity) ?? []
    places.splice(places.indexOf(place), 1)
    if (places.length === 0) this.#byIdentity.delete(place.identity)
  }

  #dropLapsed(now: number): void {
    let gone = 0
    for (const place of this.#places) {
      if (!place.redeemed && place.toldAt + GRACE_MS >= now) break
      if (!place.redeemed) this.#forget(place)
      gone++
    }
    if (gone > 0) this.#places.splice(0, gone)
  }
}

function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000)) * 1_000
}
