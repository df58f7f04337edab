/** Values that YAML takes for something else unless they stand in quotes, such as `memory:`, and what to write instead. */

/** What a bare scheme lacks, where quotes alone would not help. */
const WHOLE: Readonly<Record<string, string>> = {
  'sqlite:': 'sqlite:forebay.db',
  'http:': 'http://...',
  'https:': 'https://...',
}

/** Of a line that YAML does not take: the field whose value needs quotes, and the words that say so. */
export function needsQuotes(line: string): { readonly field: string; readonly words: string } | undefined {
  for (const part of line.split(/[{,}]/)) {
    const [, field, value] = /^\s*(?:- +)?([\w.-]+):\s+([^\s'"#].*?)(?:\s+#.*)?\s*$/.exec(part) ?? []
    const words = value && (isMapping(value) ? ofMapping(value) : ofFirstCharacter(value))
    if (field && words) return { field, words }
  }
  return undefined
}

/** Of a mapping where text is wanted: the words, if a colon too many is all that makes it one. */
export function mappingForText(given: unknown): string | undefined {
  const [[key, value] = [], more] = Object.entries(given as object)
  if (key === undefined || more || (value !== null && typeof value === 'object')) return undefined
  return ofMapping(`${key}:${value === null ? '' : ` ${String(value)}`}`)
}

/** Of a number or the like where text is wanted. */
export function scalarForText(source: string, kind: string): string {
  return `YAML takes ${source} for a ${kind}; write it in quotes: "${source}"`
}

function isMapping(value: string): boolean {
  return /:(\s|$)/.test(value)
}

function ofMapping(value: string): string {
  // A blank behind a scheme is a typing error; within quotes it would be part of the URL.
  const text = value.replace(/^([a-z][a-z0-9-]*:)\s+(?=\S+$)/, '$1')
  const instead = WHOLE[text] ?? (isMapping(value) && text !== value ? text : `it in quotes: "${text}"`)
  return `YAML takes a value with such a colon for a mapping; write ${instead}`
}

function ofFirstCharacter(value: string): string | undefined {
  const isList = value.startsWith('[') && !value.endsWith(']')
  if (!isList && !/^[*@`%]/.test(value)) return undefined
  return `in YAML a value that begins with ${value[0]} is something else; write it in quotes: "${value}"`
}
