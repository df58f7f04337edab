/** Many questions at once, but not so many that they pile up: a window of them is under way, in their order. */

const MOST_AT_ONCE = 500
const MOST_BYTES = 4 * 1_024 * 1_024

/** Calls `act` for each; rejects with the first failure when all of its window have ended. */
export async function inWindows<Item>(
  items: readonly Item[],
  sizeOf: (item: Item) => number,
  act: (item: Item) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < items.length; ) {
    const window: Promise<unknown>[] = []
    for (let bytes = 0; at < items.length && window.length < MOST_AT_ONCE && bytes < MOST_BYTES; at++) {
      const item = items[at] as Item
      bytes += sizeOf(item)
      window.push(act(item))
    }
    for (const ended of await Promise.allSettled(window)) if (ended.status === 'rejected') throw ended.reason
  }
}
