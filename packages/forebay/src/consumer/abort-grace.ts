/** A handler that was told to end gets a moment to do so; whoever waits for it waits no longer than that. */

import type { Clock } from '../clock.ts'

/** How long a handler that was told to end may take to do so, before nobody waits for it any more. */
export const ABORT_GRACE_MS = 1_000

/** Settles as `work` does, or rejects with the signal's reason `ABORT_GRACE_MS` after it aborted, if the work does not obey it. */
export function withAbortGrace<Result>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let cancelGrace = () => {}
    const onAbort = () => {
      cancelGrace = clock.after(ABORT_GRACE_MS, () => reject(signal.reason))
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    const letGo = () => {
      cancelGrace()
      signal.removeEventListener('abort', onAbort)
    }
    work().then(
      (result) => {
        letGo()
        resolve(result)
      },
      (thrown) => {
        letGo()
        reject(thrown)
      },
    )
  })
}
