/**
 * Group commit: callers that come one by one share one commit. While a commit is under way, what arrives waits and goes
 * together into the next, so that the batch grows with the load and a single caller waits for nobody.
 *
 * The first caller's commit begins after the current microtasks, so that a loop of calls without `await` makes one batch.
 *
 * Where the order of commits does not matter several may be under way at once (`abreast`): then a group that is large enough to be
 * worth a commit of its own does not wait for the one before it.
 */

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result | Promise<Result>) => void
  readonly reject: (thrown: unknown) => void
}

type Commit<Item, Result> = (items: readonly Item[]) => Promise<readonly (Result | Promise<Result>)[]>

/** So many items in one commit, at most: bounds the size of a transaction and the time that a caller waits for others. */
const LARGEST_GROUP = 1_000

/** So many items are worth a commit of their own beside the one that is under way. */
const FULL_GROUP = 256

export class GroupCommit<Item, Result> {
  readonly #commit: Commit<Item, Result>
  readonly #abreast: number
  #waiting: Waiting<Item, Result>[] = []
  #underWay = 0

  /**
   * @param commit Answers each item, in order; what is a promise among the answers only its own caller waits for. If it rejects,
   * every caller of the group is told so.
   * @param abreast So many commits may be under way at once. Default 1: then each sees what the one before it did.
   */
  constructor(commit: Commit<Item, Result>, abreast = 1) {
    this.#commit = commit
    this.#abreast = abreast
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      const isWorthwhile = this.#waiting.length === FULL_GROUP && this.#underWay < this.#abreast
      if (this.#underWay === 0 || isWorthwhile) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#underWay++
    await Promise.resolve()
    while (this.#waiting.length >= (this.#underWay === 1 ? 1 : FULL_GROUP)) {
      const group = this.#waiting.splice(0, LARGEST_GROUP)
      try {
        const results = await this.#commit(group.map(({ item }) => item))
        group.forEach(({ resolve }, index) => resolve(results[index] as Result | Promise<Result>))
      } catch (thrown) {
        for (const { reject } of group) reject(thrown)
      }
    }
    this.#underWay--
  }
}
