/**
 * The keys that come most often, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient computation of
 * frequent and top-k elements in data streams", ICDT 2005), with a stream that is counted one by one.
 *
 *     known key:              count(key) += 1
 *     a new one, room left:   count(key) = 1,       error(key) = 0
 *     a new one, no room:     it takes the place of a key of the least count `min`:  count(key) = min + 1,  error(key) = min
 *
 * With m places and N keys seen: the counts sum up to N; count - error <= true <= count for each key that has a place;
 * min <= N / m; and every key that came more than N / m times has a place. Keys of one count stand in one bucket, so that each step
 * takes constant time. Units: none.
 */

export interface HeavyHitter {
  readonly key: string
  /** At most `error` more than it came. */
  readonly count: number
  readonly error: number
}

interface Place {
  count: number
  readonly error: number
}

export class HeavyHitters {
  readonly #places: number
  readonly #known = new Map<string, Place>()
  /** The keys of each count. */
  readonly #buckets = new Map<number, Set<string>>()
  #least = 0
  #seen = 0

  /** @param places At least 1. */
  constructor(places: number) {
    this.#places = places
  }

  /** How many were noted. */
  get seen(): number {
    return this.#seen
  }

  note(key: string): void {
    this.#seen++
    const known = this.#known.get(key)
    if (known) {
      this.#leave(key, known.count)
      known.count++
      this.#join(key, known.count)
      return
    }
    const error = this.#known.size < this.#places ? 0 : this.#replaceable()
    this.#known.set(key, { count: error + 1, error })
    this.#join(key, error + 1)
    if (error === 0) this.#least = 1
  }

  /** The keys of the highest counts, the highest first. */
  top(most: number): HeavyHitter[] {
    const found = Array.from(this.#known, ([key, { count, error }]) => ({ key, count, error }))
    return found.sort((one, other) => other.count - one.count || (one.key < other.key ? -1 : 1)).slice(0, most)
  }

  /** Takes the place of a key of the least count; returns that count. */
  #replaceable(): number {
    const least = this.#least
    const [key = ''] = this.#buckets.get(least) ?? []
    this.#known.delete(key)
    this.#leave(key, least)
    return least
  }

  #join(key: string, count: number): void {
    const bucket = this.#buckets.get(count)
    if (bucket) bucket.add(key)
    else this.#buckets.set(count, new Set([key]))
  }

  /** Whoever leaves the last of the least bucket goes one up, or makes way for one that does. */
  #leave(key: string, count: number): void {
    const bucket = this.#buckets.get(count)
    bucket?.delete(key)
    if (bucket?.size !== 0) return
    this.#buckets.delete(count)
    if (count === this.#least) this.#least = count + 1
  }
}
