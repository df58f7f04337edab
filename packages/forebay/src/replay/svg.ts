/** The picture as an SVG: one column of three panels for each picture, with the same scales, so that they can be compared. */

import type { Picture } from './picture.ts'

export interface SvgColumn {
  readonly title: string
  readonly subtitle: string
  readonly picture: Picture
  /** Names of the three panels. */
  readonly labels: readonly [input: string, depth: string, output: string]
}

const PANEL = { width: 400, height: 90, gap: 34, left: 48, top: 72 } as const
const COLUMN_WIDTH = PANEL.left + PANEL.width + 16
/** So many characters are as wide as a panel, in most fonts: nothing measures them here. */
const MOST_CHARACTERS = { title: 44, text: 64 } as const
const KEYS = ['input', 'depth', 'output'] as const

/** Follows the reader's light or dark scheme; needs no font, script or other file. */
export function svgOf(columns: readonly SvgColumn[]): string {
  const width = columns.length * COLUMN_WIDTH
  const height = PANEL.top + KEYS.length * (PANEL.height + PANEL.gap) + 6
  const tops = KEYS.map((key) => niceTop(Math.max(1, ...columns.flatMap(({ picture }) => picture[key]))))
  const seconds = Math.max(...columns.map(({ picture }) => (picture.columnMs * picture.input.length) / 1_000))
  const parts = columns.map((column, index) => columnOf(column, index * COLUMN_WIDTH, tops, seconds))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(columns.map(({ title, subtitle }) => `${title}: ${subtitle}`).join('. '))}</title>`,
    STYLE,
    `<rect class="back" width="${width}" height="${height}" rx="8"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 16px; font-weight: 600; fill: #1f2328 }
  .back { fill: #fff }
  .axis { stroke: #d0d7de }
  .input { fill: #0969da } .depth { fill: #bf8700 } .output { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title { fill: #f0f6fc } .back { fill: #0d1117 } .axis { stroke: #3d444d }
    .input { fill: #4493f8 } .depth { fill: #d29922 } .output { fill: #3fb950 }
  }
</style>`

function columnOf(column: SvgColumn, left: number, tops: readonly number[], seconds: number): string {
  const panels = KEYS.map((key, index) => {
    const y = PANEL.top + index * (PANEL.height + PANEL.gap)
    return panelOf(column.picture, key, column.labels[index] as string, tops[index] as number, seconds, y)
  })
  return [
    `<g transform="translate(${left})">`,
    `<text class="title" x="${PANEL.left}" y="24">${escaped(fitting(column.title, MOST_CHARACTERS.title))}</text>`,
    `<text x="${PANEL.left}" y="42">${escaped(fitting(column.subtitle, MOST_CHARACTERS.text))}</text>`,
    ...panels,
    '</g>',
  ].join('\n')
}

function panelOf(
  picture: Picture,
  key: (typeof KEYS)[number],
  label: string,
  top: number,
  seconds: number,
  y: number,
): string {
  const scale = PANEL.width / (seconds * 1_000)
  const bottom = y + PANEL.height
  const steps = picture[key].map((value, index) => {
    const x = PANEL.left + index * picture.columnMs * scale
    return `${fixed(x)},${fixed(bottom - (PANEL.height * value) / top)} ${fixed(x + picture.columnMs * scale)},${fixed(bottom - (PANEL.height * value) / top)}`
  })
  const end = PANEL.left + picture[key].length * picture.columnMs * scale
  return [
    `<text x="${PANEL.left}" y="${y - 6}">${escaped(label)}</text>`,
    `<text x="${PANEL.left - 6}" y="${y + 10}" text-anchor="end">${top}</text>`,
    `<text x="${PANEL.left - 6}" y="${bottom}" text-anchor="end">0</text>`,
    `<polygon class="${key}" points="${PANEL.left},${bottom} ${steps.join(' ')} ${fixed(end)},${bottom}"/>`,
    `<path class="axis" fill="none" d="M${PANEL.left} ${y}V${bottom}H${PANEL.left + PANEL.width}"/>`,
    `<text x="${PANEL.left + PANEL.width}" y="${bottom + 14}" text-anchor="end">${Math.round(seconds)} s</text>`,
  ].join('\n')
}

/** The next of 1, 2, 2.5, 5 times a power of ten. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 2.5, 5, 10].find((step) => step * power >= value) as number) * power
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** Without its middle if it is too long: what it begins and ends with says most. */
function fitting(text: string, most: number): string {
  const characters = [...text]
  if (characters.length <= most) return text
  const end = Math.floor((most - 1) / 2)
  return `${characters.slice(0, most - 1 - end).join('')}…${characters.slice(-end).join('')}`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
