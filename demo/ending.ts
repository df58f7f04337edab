/** When the demo shall end early: Ctrl-C, a signal from outside, or the death of the npm that started it. */

import { systemClock } from '../packages/forebay/src/clock.ts'

const LOOK_EVERY_MS = 500

/** Aborts when it is time to end. From then on further signals change nothing: the tidying up is under way. */
export function endingSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort(new Error(signal)))
  // npm passes a signal on to its shell, and the shell not to us.
  if (process.env.npm_lifecycle_event !== undefined) whenOrphaned(() => stop.abort(new Error('npm is gone')))
  return stop.signal
}

function whenOrphaned(act: () => void): void {
  const parent = process.ppid
  const look = () => {
    if (process.ppid !== parent) act()
    else systemClock.after(LOOK_EVERY_MS, look, { background: true })
  }
  look()
}
