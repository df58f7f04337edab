/** A Lua script, and the name by which the server keeps it. */

import { createHash } from 'node:crypto'

export interface Script {
  readonly text: string
  readonly sha: string
}

export type Argument = string | number

/** Runs a script on one queue. Rejects with a `ForebayError`. */
export type RunScript = (script: Script, args: readonly Argument[]) => Promise<unknown>

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Scripts count in whole microseconds; what is rounded is rounded up, so that nothing is early. */
export function toMicros(ms: number): number {
  return Math.ceil(ms * 1_000)
}
