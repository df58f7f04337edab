/**
 * Texts that PostgreSQL cannot hold as they are: it knows neither the character NUL nor halves of surrogate pairs. Both may stand
 * in an id, a type or a key, so they are written as U+0001 and four hexadecimal digits, and so is U+0001 itself, and U+0002, which
 * ends each field of a text of several (JSON has none, as it is).
 */

export const FIELD_END = '\u0002'

const MARK = '\u0001'
const UNFIT = `\u0000${MARK}${FIELD_END}`
const LONE = '[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]'
const PERHAPS = new RegExp(`[${UNFIT}\\ud800-\\udfff]`)
const ESCAPED = new RegExp(`[${UNFIT}]|${LONE}`, 'g')
const ESCAPE = new RegExp(`${MARK}([0-9a-f]{4})`, 'g')

export function toStored(text: string): string {
  if (!PERHAPS.test(text)) return text
  return text.replace(ESCAPED, (unit) => MARK + unit.charCodeAt(0).toString(16).padStart(4, '0'))
}

export function fromStored(text: string): string {
  if (!text.includes(MARK)) return text
  return text.replace(ESCAPE, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}
