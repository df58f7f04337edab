/** The files of the repository that people write, as git knows them, new ones included. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../run-tool.ts'

export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string
  readonly text: string
}

export function filesOf(pattern: RegExp): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT })
  const paths = listed.toString().split('\0')
  return [...new Set(paths)]
    .filter((path) => pattern.test(path) && existsSync(join(ROOT, path)))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** `path:line: text` of each line that the pattern matches. */
export function linesMatching(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

/** The text without its comments, which may name what code may not use. Line numbers stay. */
export function codeOf({ path, text }: SourceFile): SourceFile {
  const blank = (comment: string) => comment.replace(/[^\n]/g, ' ')
  return { path, text: text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/.*$/gm, blank) }
}
