/**
 * The common log format and what begins like it (the combined format of Apache and nginx):
 *
 *     192.0.2.1 - alice [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326
 *
 * Its times are whole seconds.
 */

import type { ParsedLine } from './log-line.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const LINE = /^\S+ \S+ .*?\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] "/

export function parseCommonLog(line: string): ParsedLine {
  const [, day, name = '', year, time, hours, minutes] = LINE.exec(line) ?? []
  const month = MONTHS.indexOf(name) + 1
  if (day === undefined || month === 0) return 'bad'
  const atMs = Date.parse(`${year}-${String(month).padStart(2, '0')}-${day}T${time}${hours}:${minutes}`)
  return Number.isNaN(atMs) ? 'bad' : { atMs }
}
