/** One chart of the picture: a line over the last five minutes, perhaps filled, perhaps with a limit across it. */

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'

export interface ChartProps {
  /** Says what is seen, for those who do not see it. */
  readonly label: string
  /** Epoch seconds. */
  readonly times: readonly number[]
  /** The filled line, then what lies over it: each a custom property's name for its colour, and its values. */
  readonly lines: readonly ChartLine[]
  /** The scale's least upper end, so that a quiet chart does not blow up its noise. */
  readonly atLeast: number
  /** Whether this chart, the lowest, shows the times. */
  readonly showTimes: boolean
}

export interface ChartLine {
  readonly color: string
  readonly fill?: string
  readonly dash?: number[]
  readonly values: readonly (number | null)[]
}

/** A young page shows one minute; the span grows with its history. */
const LEAST_SECONDS = 60
const MOST_SECONDS = 300
const HEIGHT = 104
const TIME_AXIS_HEIGHT = 22

export function Chart({ label, times, lines, atLeast, showTimes }: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const most = useRef(atLeast)
  most.current = atLeast

  useEffect(() => {
    const element = host.current
    if (!element) return
    const height = HEIGHT + (showTimes ? TIME_AXIS_HEIGHT : 0)
    const chart = new uPlot(
      optionsOf(element, lines, () => most.current, showTimes, height),
      undefined,
      element,
    )
    plot.current = chart
    const resizes = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }))
    resizes.observe(element)
    // The colours are functions of the theme: drawing anew is enough.
    const theme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => chart.redraw(true, true)
    theme.addEventListener('change', redraw)
    return () => {
      theme.removeEventListener('change', redraw)
      resizes.disconnect()
      chart.destroy()
    }
    // The lines' number and colours never change, only their values, which the effect below hands over.
  }, [])

  useEffect(() => {
    plot.current?.setData([times as number[], ...lines.map(({ values }) => values as (number | null)[])])
  }, [times, lines, atLeast])

  return <div class="chart" ref={host} role="img" aria-label={label} />
}

function optionsOf(
  element: HTMLElement,
  lines: readonly ChartLine[],
  atLeast: () => number,
  showTimes: boolean,
  height: number,
): uPlot.Options {
  const color = (name: string) => () => getComputedStyle(element).getPropertyValue(name)
  const axis = { stroke: color('--quiet'), font: '11px system-ui, sans-serif', ticks: { show: false } }
  const grid = { stroke: color('--grid'), width: 1 }
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [6, 4, showTimes ? 0 : 6, 0],
    scales: {
      x: { range: (_plot, min, max) => [max - Math.min(Math.max(max - min, LEAST_SECONDS), MOST_SECONDS), max] },
      y: { range: (_plot, _min, max) => [0, Math.max(atLeast(), max ?? 0) * 1.12] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        show: showTimes,
        size: TIME_AXIS_HEIGHT,
        splits: timeSplits,
        values: timeLabels,
      },
      { ...axis, grid, size: 46, space: 34, values: (_plot, marks) => marks.map(markLabel) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: color(line.color),
        width: line.dash ? 1.25 : 1.75,
        points: { show: false },
        ...(line.fill && { fill: color(line.fill) }),
        ...(line.dash && { dash: line.dash }),
      })),
    ],
  }
}

const marks = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const markLabel = (value: number) => marks.format(value)

/** Whole steps back from the newest sample, as many as there is room for. */
function timeSplits(plot: uPlot): number[] {
  const { min, max } = plot.scales.x as { min: number; max: number }
  const labels = plot.width < 480 ? 3 : 6
  const step = [10, 15, 30, 60, 120].find((seconds) => (max - min) / seconds <= labels) ?? MOST_SECONDS
  const splits: number[] = []
  for (let at = max - step; at >= min + step / 3; at -= step) splits.unshift(at)
  return splits
}

/** How long ago, which needs no time zone. */
function timeLabels(plot: uPlot, splits: number[]): string[] {
  const newest = plot.scales.x?.max ?? 0
  return splits.map((at) => {
    const ago = Math.round(newest - at)
    return ago < 60 ? `${ago} s ago` : `${ago / 60} min ago`
  })
}
