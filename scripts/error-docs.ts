/** The text of docs/errors.md, made from the registry, so that docs and code cannot disagree. */

import { ERROR_CODES } from '../packages/forebay/src/errors.ts'

const EXIT_MEANINGS = {
  1: 'it failed; what was acknowledged is kept',
  2: 'wrong use or configuration',
  3: 'a backend, a file or a port could not be used',
} as const

export function errorDocs(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { status, exit, todo }]) => `| \`${code}\` | ${status} | ${exit} | ${todo} |`,
  )
  const exits = Object.entries(EXIT_MEANINGS).map(([exit, meaning]) => `- \`${exit}\`: ${meaning}`)
  return `# Errors

Everything that Forebay throws is a \`ForebayError\`. Its \`code\` is one of the list below and is what programs look at; its
\`message\` says what happened and what was kept, and is for people; \`todo\` says what to do about it. Where waiting helps,
\`retryAfterMs\` says how long; where an input is at fault, \`path\` says where in it.

The gateway answers with the HTTP status and a JSON body that holds the code, the message and what to do. The command
prints the same in two lines and ends with the exit code:

${exits.join('\n')}

This page is written by \`npm run docs:errors\` from \`packages/forebay/src/errors.ts\`; a test fails when the two disagree.

| Code | HTTP | Exit | What to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}
