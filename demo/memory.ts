/** How much memory another process has, over time. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Clock, sleep } from '../packages/forebay/src/clock.ts'

const run = promisify(execFile)
const EVERY_MS = 500

/** Notes the resident memory of a process twice a second, in bytes, until `signal` aborts or the process is gone. */
export async function sampleMemory(pid: number, clock: Clock, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = []
  try {
    for (;;) {
      const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)])
      samples.push(Number(stdout.trim()) * 1_024)
      await sleep(clock, EVERY_MS, signal)
    }
  } catch {
    return samples
  }
}
