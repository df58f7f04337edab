/** Waiting for something, but not for ever. */

import type { Clock } from '../clock.ts'

/** Whether `done` resolved within `ms`. */
export function within(clock: Clock, ms: number, done: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(false))
    void done.then(() => {
      cancel()
      resolve(true)
    })
  })
}
