/** The figures of a replay as lines for people. */

import type { ReplayFigures } from './figures.ts'
import type { LoadReport } from './load.ts'

export function reportOf(figures: ReplayFigures): string {
  const { input, output, maxStarts, depth, waitMs, fluidWaitMs } = figures
  const rows: [name: string, measured: string][] = [
    ['requests', endsLine(figures)],
    ['input', `peak ${perSecond(input.peakPerSecond)}, mean ${perSecond(input.meanPerSecond)}`],
    [
      'output',
      `peak ${perSecond(output.peakPerSecond)}, mean while a backlog stands ${perSecond(output.meanPerSecondWhileBacklogged)}`,
    ],
    ['starts', `at most ${count(maxStarts.in1s)} in any second, ${count(maxStarts.in100ms)} in any 100 ms`],
    ['queue', `peak ${count(depth.peak)} waiting${beside(depth.fluidPeak, count)}`],
    ['wait, mean', `${seconds(waitMs.mean)}${beside(fluidWaitMs.mean, seconds)}`],
    ['wait, p50', `${seconds(waitMs.p50)}${beside(fluidWaitMs.p50, seconds)}`],
    ['wait, p99', `${seconds(waitMs.p99)}${beside(fluidWaitMs.p99, seconds)}`],
    ['wait, max', `${seconds(waitMs.max)}${beside(fluidWaitMs.max, seconds)}`],
  ]
  const rate = figures.rate === null ? '' : ` at ${figures.rate}/s`
  const title = `  ${count(figures.offered)} requests in ${seconds(figures.durationMs)}${rate}`
  return [title, ...rows.map(([name, measured]) => `  ${name.padEnd(12)}${measured}`)].join('\n')
}

/** What the producer went through; undefined if nothing was refused and nothing failed. */
export function troubleOf({ refusals, failures }: LoadReport): string | undefined {
  const lines: string[] = []
  if (refusals.refusals > 0) {
    const told = `${count(refusals.refusals)} refusals, ${count(refusals.withRetryAfter)} of them with Retry-After`
    const share =
      refusals.obeyed === 0 ? '' : `; ${percent(refusals.acceptedThen, refusals.obeyed)} of those who obeyed it got in`
    lines.push(`  refused     ${told}${share}`)
  }
  for (const [why, times] of failures) lines.push(`  failed      ${count(times)} attempts: ${why}`)
  return lines.length > 0 ? lines.join('\n') : undefined
}

function endsLine({ completed, refused, failed, dead, lost }: ReplayFigures): string {
  return [
    `${count(completed)} completed`,
    `${count(refused)} refused`,
    `${count(failed)} failed`,
    `${count(dead)} dead`,
    `${count(lost)} lost`,
  ].join(', ')
}

/** The fluid bound beside a measured figure. */
function beside(bound: number | null, format: (value: number) => string): string {
  return bound === null ? '' : ` (no queue at this rate can have less than ${format(bound)})`
}

function count(value: number | null): string {
  return value === null ? 'unknown' : value.toLocaleString('en')
}

function perSecond(value: number | null): string {
  return value === null ? 'unknown' : `${(Math.round(value * 10) / 10).toLocaleString('en')}/s`
}

function seconds(ms: number | null): string {
  if (ms === null) return 'unknown'
  return ms < 1_000 ? `${Math.round(ms * 10) / 10} ms` : `${(ms / 1_000).toFixed(2)} s`
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part * 1_000) / whole) / 10}%`
}
