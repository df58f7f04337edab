/**
 * Groups in relay: callers that come one by one share a commit, as in group-commit.ts, but two commits are under way at a time:
 * while the engine does one, this process makes the next one, and neither waits for the other's processor. Only for an engine
 * that does what is under way together in the order of its coming.
 *
 *     a group goes     at once, within the call that completes it, when it is half of all that were out when the last commit ended:
 *                      so all that are out fall into two halves, in turns
 *                      else when nothing is under way: after the current microtasks, or with the end of the one before it
 *
 * A small load goes as in group-commit.ts: a caller alone waits for nobody, and a loop of calls without `await` makes one batch.
 *
 * Where the two have no processor each, as on a busy machine, the engine comes to both halves only while this process sleeps, and
 * both are answered together: then halves are twice the effort for nothing. So they are given up for a while when that happens often.
 */

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result | Promise<Result>) => void
  readonly reject: (thrown: unknown) => void
}

const ABREAST = 2

/** Fewer items than so many are not worth a commit beside another one: each costs the engine and this process a fixed effort. */
const LEAST_HALF = 4

/**
 * A commit that ends while no other is under way counts 2, any other one takes 1 away; at 16 halves are given up for 128 commits. So it
 * takes that more than every third one ends so for a while: a pause of either side makes some do. To try anew costs 32 halves.
 */
const ALONE = 2
const TOO_OFTEN_ALONE = 16
const WHOLE_COMMITS = 128

/** So many items in one commit, at most: bounds the size of a commit and the time that a caller waits for others. */
const LARGEST_GROUP = 1_000

export class GroupRelay<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly (Result | Promise<Result>)[]>
  #waiting: Waiting<Item, Result>[] = []
  #commits = 0
  /** Items in commits that are under way. */
  #underWay = 0
  /** How many were out, under way or waiting, when each of the last two commits ended: after two that end together the callers of both are. */
  #wereOut: readonly [number, number] = [0, 0]
  #alone = 0
  /** So many commits go before halves are tried again. */
  #whole = 0

  /**
   * @param commit Answers each item, in order; what is a promise among the answers only its own caller waits for. If it rejects,
   * every caller of the group is told so.
   */
  constructor(commit: (items: readonly Item[]) => Promise<readonly (Result | Promise<Result>)[]>) {
    this.#commit = commit
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#isHalf()) void this.#send()
      else if (this.#commits === 0 && this.#waiting.length === 1) queueMicrotask(this.#sendRest)
    })
  }

  #isHalf(): boolean {
    const half = Math.max(...this.#wereOut) / 2
    return this.#whole === 0 && this.#commits < ABREAST && half >= LEAST_HALF && this.#waiting.length >= half
  }

  /** Whatever waits, if nothing is under way; else if it is a half. */
  readonly #sendRest = (): void => {
    if (this.#waiting.length > 0 && (this.#commits === 0 || this.#isHalf())) void this.#send()
  }

  async #send(): Promise<void> {
    const group = this.#waiting.splice(0, LARGEST_GROUP)
    this.#commits++
    this.#underWay += group.length
    try {
      const results = await this.#commit(group.map(({ item }) => item))
      group.forEach(({ resolve }, index) => resolve(results[index] as Result | Promise<Result>))
    } catch (thrown) {
      for (const { reject } of group) reject(thrown)
    }
    this.#wereOut = [this.#wereOut[1], this.#underWay + this.#waiting.length]
    this.#commits--
    this.#underWay -= group.length
    this.#judge()
    this.#sendRest()
  }

  /** Whether halves are worth it. */
  #judge(): void {
    if (this.#whole > 0) {
      this.#whole--
      return
    }
    this.#alone = Math.max(0, this.#alone + (this.#commits === 0 ? ALONE : -1))
    if (this.#alone < TOO_OFTEN_ALONE) return
    this.#alone = 0
    this.#whole = WHOLE_COMMITS
  }
}
