/** Runs a tool of the workshop as `npm run` would: with `node_modules/.bin` first on the PATH. */

import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..')
const BIN = join(ROOT, 'node_modules/.bin')

export interface ToolResult {
  readonly code: number
  /** What it printed, on both streams, without colours. */
  readonly output: string
}

export function runTool(tool: string, args: readonly string[], cwd = ROOT): Promise<ToolResult> {
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}`, NO_COLOR: '1', FORCE_COLOR: '0' }
  return new Promise((resolve) => {
    execFile(join(BIN, tool), args, { cwd, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` })
    })
  })
}
