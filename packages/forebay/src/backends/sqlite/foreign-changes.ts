/**
 * Notices that another process has changed the file, while somebody waits for that: by the file system's events on the
 * WAL, and by a slow check for where these don't come.
 *
 * A writer writes to the WAL, waits for the disk, and only then publishes its change (in shared memory, which sends no
 * event). So an event means that a change is near: it is looked for at growing intervals until it is there.
 */

import { type FSWatcher, watch } from 'node:fs'
import { type CancelTimer, systemClock } from '../../clock.ts'

/** After an event the first look is taken so soon, and each further one after twice the time. */
const FIRST_LOOK_MS = 1

/** One look at a counter in shared memory: how long a change may go unnoticed where the file system sends no events. */
const SLOW_LOOK_MS = 1_000

export class ForeignChanges {
  readonly #walPath: string
  readonly #version: () => number
  readonly #onChange: () => void
  #watcher: FSWatcher | undefined
  #cancelTimer: CancelTimer | undefined
  /** How long the running timer's step is. */
  #step = SLOW_LOOK_MS
  /** Undefined while nobody waits. */
  #seen: number | undefined

  /**
   * @param version Changes whenever another process has changed the file.
   * @param onChange Called once after each `await`.
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
    this.#lookAfter(FIRST_LOOK_MS)
  }

  stop(): void {
    this.#seen = undefined
    this.#cancelTimer?.()
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#walPath, { persistent: false }, () => this.#onEvent())
      watcher.on('error', () => this.#unwatch(watcher))
      return watcher
    } catch {
      // No events here, or no watch left: the slow look finds it.
      return undefined
    }
  }

  #unwatch(watcher: FSWatcher): void {
    watcher.close()
    if (this.#watcher === watcher) this.#watcher = undefined
  }

  #onEvent(): void {
    if (this.#seen !== undefined && this.#step > FIRST_LOOK_MS) this.#lookAfter(FIRST_LOOK_MS)
  }

  #lookAfter(ms: number): void {
    this.#cancelTimer?.()
    this.#step = ms
    this.#cancelTimer = systemClock.after(ms, () => this.#look(), { background: true })
  }

  #look(): void {
    if (this.#seen === undefined) return
    if (this.#version() === this.#seen) {
      this.#lookAfter(Math.min(2 * this.#step, SLOW_LOOK_MS))
      return
    }
    this.#seen = undefined
    this.#onChange()
  }
}
