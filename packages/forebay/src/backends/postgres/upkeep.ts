/** Has the server tidy up after every so many changes of this process, beside its work and never instead of it. */

const CHANGES_BETWEEN = 200

export class Upkeep {
  readonly #run: () => Promise<boolean>
  #changes = 0
  #working: Promise<void> | undefined

  /** @param run Tidies up a part; answers whether there is more. */
  constructor(run: () => Promise<boolean>) {
    this.#run = run
  }

  /** The queue was changed so many times. */
  count(changes = 1): void {
    this.#changes += changes
    if (this.#changes >= CHANGES_BETWEEN) this.#working ??= this.#work()
  }

  async done(): Promise<void> {
    await this.#working
  }

  async #work(): Promise<void> {
    this.#changes = 0
    try {
      while (await this.#run());
    } catch {
      // The next time will do.
    }
    this.#working = undefined
  }
}
