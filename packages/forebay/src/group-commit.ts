/**
 * Group commit: callers that come one by one share one commit. While a commit is under way, what arrives waits and goes
 * together into the next, so that the batch grows with the load and a single caller waits for nobody.
 *
 * The first caller's commit begins after the current microtasks, so that a loop of calls without `await` makes one batch.
 */

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (thrown: unknown) => void
}

/** So many items in one commit, at most: bounds the size of a transaction and the time that a caller waits for others. */
const LARGEST_GROUP = 1_000

export class GroupCommit<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly Result[]>
  #waiting: Waiting<Item, Result>[] = []
  #working: Promise<void> | undefined

  /** @param commit Answers each item, in order. If it rejects, every caller of the group is told so. */
  constructor(commit: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#commit = commit
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#working ??= this.#work()
    })
  }

  async #work(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, LARGEST_GROUP)
      try {
        const results = await this.#commit(group.map(({ item }) => item))
        group.forEach(({ resolve }, index) => resolve(results[index] as Result))
      } catch (thrown) {
        for (const { reject } of group) reject(thrown)
      }
    }
    this.#working = undefined
  }
}
