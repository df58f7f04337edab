/**
 * Notices that another process has changed the file, while somebody waits for that: by the file system's events on the
 * WAL, and by a slow check for where these don't come.
 */

import { type FSWatcher, watch } from 'node:fs'
import { type CancelTimer, systemClock } from '../../clock.ts'

/** One look at a counter in shared memory: how long a change may go unnoticed where the file system sends no events. */
const SLOW_CHECK_MS = 1_000

export class ForeignChanges {
  readonly #walPath: string
  readonly #version: () => number
  readonly #onChange: () => void
  #watcher: FSWatcher | undefined
  #cancelTimer: CancelTimer | undefined
  #seen = -1
  #checking = false

  /**
   * @param version Changes whenever another process has changed the file.
   * @param onChange Called once after each `await`, in a turn of its own.
   */
  constructor(path: string, version: () => number, onChange: () => void) {
    this.#walPath = `${path}-wal`
    this.#version = version
    this.#onChange = onChange
  }

  /** Waits for a change after `version`; works again and again. */
  await(version: number): void {
    this.#seen = version
    this.#watcher ??= this.#watch()
    this.#cancelTimer ??= this.#slowly()
    this.#checkSoon()
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#seen = -1
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#walPath, { persistent: false }, () => this.#checkSoon())
      watcher.on('error', () => this.#unwatch(watcher))
      return watcher
    } catch {
      // No events here, or no watch left: the slow check finds it.
      return undefined
    }
  }

  #unwatch(watcher: FSWatcher): void {
    watcher.close()
    if (this.#watcher === watcher) this.#watcher = undefined
  }

  #slowly(): CancelTimer {
    const fire = () => {
      this.#cancelTimer = undefined
      if (this.#seen < 0) return
      this.#check()
      this.#cancelTimer ??= this.#slowly()
    }
    return systemClock.after(SLOW_CHECK_MS, fire, { background: true })
  }

  /** One check for all events of this turn. */
  #checkSoon(): void {
    if (this.#checking || this.#seen < 0) return
    this.#checking = true
    setImmediate(() => {
      this.#checking = false
      this.#check()
    })
  }

  #check(): void {
    if (this.#seen < 0 || this.#version() === this.#seen) return
    this.#seen = -1
    this.#onChange()
  }
}
