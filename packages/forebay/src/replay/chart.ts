/** The picture in a terminal of 80 columns: three panels of block characters over one time axis. */

import type { Picture } from './picture.ts'

export const CHART_COLUMNS = 64

const LABEL_CHARS = 13
const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
const COLOURS = { input: 36, depth: 33, output: 32 } as const

export interface ChartOptions {
  readonly title: string
  /** What the middle panel shows. Default `waiting`. */
  readonly depthLabel?: string
  /** What the last panel shows. Default `output/s`. */
  readonly outputLabel?: string
  /** Rows per panel. Default 4. */
  readonly rows?: number
  /** Default false. */
  readonly colour?: boolean
}

/** Whether a stream wants colours: it is a terminal and `NO_COLOR` is not set (https://no-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
}

/** Lines of at most 80 characters (colours not counted), joined by newlines. */
export function chartOf(picture: Picture, options: ChartOptions): string {
  const { rows = 4, colour = false } = options
  const panel = (label: string, values: readonly number[], code: number) =>
    panelOf(label, values, rows, colour ? code : undefined)
  return [
    options.title,
    ...panel('input/s', picture.input, COLOURS.input),
    ...panel(options.depthLabel ?? 'waiting', picture.depth, COLOURS.depth),
    ...panel(options.outputLabel ?? 'output/s', picture.output, COLOURS.output),
    axisOf(picture),
  ].join('\n')
}

function panelOf(label: string, values: readonly number[], rows: number, colour: number | undefined): string[] {
  const top = Math.max(1, ...values)
  const lines: string[] = []
  for (let row = rows - 1; row >= 0; row--) {
    const cells = values.map((value) => blockFor(value / top, row, rows)).join('')
    const text = row === rows - 1 ? `${label} ${compact(top)}` : row === 0 ? '0' : ''
    const painted = colour === undefined ? cells.trimEnd() : `\u001b[${colour}m${cells.trimEnd()}\u001b[0m`
    lines.push(`${text.padStart(LABEL_CHARS)} │${painted}`)
  }
  return lines
}

/** What of a bar of height `share` (0 to 1) is seen in this row. Anything above nothing shows at least a sliver. */
function blockFor(share: number, row: number, rows: number): string {
  const eighths = Math.round(share * rows * 8)
  const visible = share > 0 ? Math.max(1, eighths) : 0
  return BLOCKS[Math.min(8, Math.max(0, visible - row * 8))] as string
}

function axisOf(picture: Picture): string {
  const columns = picture.input.length
  const end = `${Math.round((picture.columnMs * columns) / 1_000)} s`
  const middle = `${Math.round((picture.columnMs * columns) / 2_000)}`
  const half = Math.floor(columns / 2)
  const marks = `0${' '.repeat(Math.max(1, half - 1))}${middle}`.padEnd(columns - end.length) + end
  return `${' '.repeat(LABEL_CHARS)} └${'─'.repeat(columns)}\n${' '.repeat(LABEL_CHARS + 2)}${marks}`
}

function compact(value: number): string {
  return value >= 10_000 ? `${Math.round(value / 1_000)}k` : String(Math.round(value))
}
