/** Ctrl-C while a command runs: it ends in order, says so, and its exit code tells that it did not finish. */

/** 128 + SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

export interface Interruption {
  /** Aborts, with an `Interrupted`, at the first SIGINT or SIGTERM. A second one ends the process as usual. */
  readonly signal: AbortSignal
  /** Stops listening. */
  off(): void
}

/** @param message What was ended and what is left, in a sentence. */
export function onInterrupt(message: string): Interruption {
  const abort = new AbortController()
  const stop = () => abort.abort(new Interrupted(message))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  return {
    signal: abort.signal,
    off: () => {
      process.off('SIGINT', stop).off('SIGTERM', stop)
    },
  }
}
