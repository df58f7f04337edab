/** A typed emitter, small enough to read: listeners are called in order, and one that throws does not stop the others. */

export type Listener<Event> = (event: Event) => void

/** @typeParam Events Maps each event's name to what its listeners get. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>()

  /** Calls `listener` at each `name`; returns what takes it off again. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener as Listener<never>)
    return () => listeners.delete(listener as Listener<never>)
  }

  /** Resolves with the next `name`. */
  once<Name extends keyof Events>(name: Name): Promise<Events[Name]> {
    return new Promise((resolve) => {
      const off = this.on(name, (event) => {
        off()
        resolve(event)
      })
    })
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) return
    for (const listener of listeners) {
      try {
        ;(listener as Listener<Events[Name]>)(event)
      } catch (thrown) {
        // A listener's fault is its owner's to see, and must not break the queue.
        queueMicrotask(() => {
          throw thrown
        })
      }
    }
  }
}
