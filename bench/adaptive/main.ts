/**
 * Limits on concurrency side by side, on simulated downstreams. All time is simulated.
 *
 *     npm run bench:adaptive                     known downstreams, with marks; medians over ten seeds
 *     npm run bench:adaptive -- --families       families whose figures are drawn by chance: the set that the limit was written with
 *     npm run bench:adaptive -- --held-out       the same families, drawn by other seeds, looked at when it was finished
 *
 * With --json as JSON, with --seeds 3 quicker, with --only NAME some of them.
 */

import { parseArgs } from 'node:util'
import { familiesTable } from './families-table.ts'
import { marksTable } from './marks-table.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    json: { type: 'boolean' },
    only: { type: 'string', default: '' },
    families: { type: 'boolean' },
    'held-out': { type: 'boolean' },
  },
})

/** Seeds 1 to 24 were seen while the limit was written; those from here on were not. */
const HELD_OUT = 1_001

const seedsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)
const write = (value: unknown) => console.log(JSON.stringify(value, undefined, 2))

if (values.families || values['held-out']) {
  const seeds = seedsFrom(values['held-out'] ? HELD_OUT : 1, Number(values.seeds ?? 24))
  const rows = familiesTable(seeds, values.only, values.json ? () => {} : console.log)
  if (values.json) write({ seeds, unit: '%', rows })
} else {
  const seeds = seedsFrom(1, Number(values.seeds ?? 10))
  const { plain, lines } = marksTable(seeds, values.only)
  if (values.json) write({ seeds: seeds.length, unit: '%', rows: plain })
  else for (const line of lines) console.log(line)
}
