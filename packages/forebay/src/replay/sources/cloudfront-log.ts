/**
 * The standard logs of Amazon CloudFront: tab-separated, UTC, whole seconds; `#Fields:` names the columns.
 *
 *     #Version: 1.0
 *     #Fields: date time x-edge-location sc-bytes ... time-taken ...
 *     2019-12-04	21:02:31	LAX1	392	...
 */

import { durationOf, type LineParser } from './log-line.ts'

/** Where there is no `#Fields:` line. */
const USUAL = { date: 0, time: 1, 'time-taken': 18 }

export function cloudFrontParser(): LineParser {
  let places: Readonly<Record<string, number>> = USUAL
  return (line) => {
    if (line.startsWith('#')) {
      const [, names] = /^#Fields:\s*(.+)$/.exec(line) ?? []
      if (names !== undefined) places = Object.fromEntries(names.split(/\s+/).map((name, place) => [name, place]))
      return 'comment'
    }
    const cells = line.split('\t')
    const cell = (name: string) => cells[places[name] ?? -1] ?? ''
    if (!/^\d{4}-\d{2}-\d{2}$/.test(cell('date')) || !/^\d{2}:\d{2}:\d{2}$/.test(cell('time'))) return 'bad'
    const atMs = Date.parse(`${cell('date')}T${cell('time')}Z`)
    return Number.isNaN(atMs) ? 'bad' : { atMs, ...durationOf(cell('time-taken')) }
  }
}
