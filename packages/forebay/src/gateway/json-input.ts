/**
 * JSON from outside. Whatever is wrong with it is told with its place, and what is nested so deeply that it could exhaust
 * the stack of who walks through it later does not come in.
 */

import { isUtf8 } from 'node:buffer'
import { ForebayError, messageOf } from '../errors.ts'

const DEEPEST = 256

/**
 * `__proto__` and the like are plain keys in what this returns: nothing here or later merges it into another object.
 * @param where Begins the message, such as "Line 3".
 * @throws ForebayError INVALID_JSON.
 */
export function parseJson(bytes: Buffer, where = 'The body'): unknown {
  if (!isUtf8(bytes)) throw invalid(`${where} is not UTF-8`)
  const text = bytes.toString('utf8')
  const tooDeep = depthExceeded(text)
  if (tooDeep !== undefined) throw invalid(`${where} is nested deeper than ${DEEPEST} levels at position ${tooDeep}`)
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw invalid(`${where} is not JSON: ${faultOf(text, messageOf(thrown))}`)
  }
}

/** Where the text goes too deep; undefined if it does not. Strings are passed over. */
function depthExceeded(text: string): number | undefined {
  // What is shorter than the brackets it would need cannot be too deep.
  if (text.length <= DEEPEST) return undefined
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (inString) {
      if (char === BACKSLASH) at++
      else if (char === QUOTE) inString = false
    } else if (char === QUOTE) inString = true
    else if (char === OPEN_BRACKET || char === OPEN_BRACE) {
      if (++depth > DEEPEST) return at
    } else if (char === CLOSE_BRACKET || char === CLOSE_BRACE) depth--
  }
  return undefined
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** The engine's words, with the position, which it leaves out of some. */
function faultOf(text: string, message: string): string {
  const words = message.replace(/ in JSON at position .*$/, '').replace(/,? ?(\.\.\.)?".*is not valid JSON$/s, '')
  const position = / at position (\d+)/.exec(message)?.[1]
  const at =
    position !== undefined ? Number(position) : /^Unexpected end/.test(message) ? text.length : firstFault(text)
  const line = text.slice(0, at).split('\n').length
  const column = at - text.lastIndexOf('\n', at - 1)
  return `${words} at position ${at} (line ${line}, column ${column})`
}

/**
 * The engine names no position for a wrong token. A text is wrong where its beginnings stop being the beginning of any
 * JSON, and that place is found by halving: of a good beginning the engine only says that it ends too early.
 */
function firstFault(text: string): number {
  let good = 0
  let bad = text.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isBeginning(text.slice(0, middle))) good = middle
    else bad = middle
  }
  return bad - 1
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (thrown) {
    const message = messageOf(thrown)
    const position = / at position (\d+)/.exec(message)?.[1]
    return position === undefined ? /^Unexpected end/.test(message) : Number(position) >= text.length
  }
}

function invalid(sentence: string): ForebayError {
  return new ForebayError('INVALID_JSON', `${sentence}. Nothing of it was stored.`)
}
