/** One process of a pool, as the pool sees it; real ones are forked, tests make their own. */

import { fork } from 'node:child_process'

export interface WorkerProcess {
  readonly pid: number | undefined
  /** Asks it to finish what it has begun and to end. */
  drain(): void
  /** Ends it at once: its tasks' leases end, and others run them again. */
  kill(): void
  onMessage(listener: (message: unknown) => void): void
  /** Once: it is gone, or could not be started. `how` says it in words. */
  onExit(listener: (code: number | null, how: string) => void): void
}

export interface WorkerCommand {
  /** A module that Node runs. */
  readonly file: string
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** What it prints goes where the pool's own process prints. */
export function forkWorker({ file, args = [], env, cwd }: WorkerCommand): WorkerProcess {
  const child = fork(file, args, { stdio: 'inherit', ...(env && { env }), ...(cwd !== undefined && { cwd }) })
  return {
    pid: child.pid,
    drain: () => child.kill('SIGTERM'),
    kill: () => child.kill('SIGKILL'),
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => {
      let isGone = false
      const gone = (code: number | null, how: string) => {
        if (!isGone) listener(code, how)
        isGone = true
      }
      child.once('exit', (code, signal) => gone(code, signal === null ? `code ${code}` : `signal ${signal}`))
      child.once('error', (error) => gone(null, `not started: ${error.message}`))
    },
  }
}
