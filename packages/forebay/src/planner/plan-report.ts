/** A plan as lines for people. */

import type { Chosen, Forecast, Plan, Setting } from './plan.ts'
import { spanText } from './spans.ts'

export function planReport(plan: Plan): string {
  const { objective, requests, meanPerSecond, peakPerSecond, meanServiceMs, verdict, chosen } = plan
  const load = `${count(requests)} requests, ${figure(meanPerSecond)}/s on average, at most ${count(peakPerSecond)} in a second; ${spanText(meanServiceMs)} each`
  const lines = [row('load', load), row('objective', objective.text)]
  if (chosen) lines.push(...chosenLines(chosen, plan))
  for (const reason of verdict.reasons) lines.push('', `  ${reason}`)
  return lines.join('\n')
}

function chosenLines(chosen: Chosen, { objective, peakPerSecond }: Plan): string[] {
  const { setting, forecast, fluidRate, maxDepth, workerSeconds, cost, whatIfs } = chosen
  const share = Math.round((100 * setting.ratePerSecond) / peakPerSecond)
  const money = cost === undefined ? '' : `, ${figure(cost)} in money`
  const kept = forecast.isKept ? '' : ` It does not keep "${objective.text}" in the simulation.`
  return [
    '',
    row(
      'rate',
      `${figure(setting.ratePerSecond)}/s, ${share}% of the peak (no queue can do with less than ${figure(fluidRate)}/s)`,
    ),
    row('workers', workersText(setting)),
    row('maxDepth', `${count(maxDepth)} (the peak of ${count(forecast.peakQueued)}, and a fifth more)`),
    row('cost', `${count(Math.round(workerSeconds))} worker-seconds${money}, over ${spanText(forecast.durationMs)}`),
    row('forecast', `${waitsText(forecast)}; at most ${count(forecast.peakWaiting)} waiting.${kept}`),
    '',
    ...table([
      ['what if', 'rate', 'workers', 'wait p50', 'p99', 'max', 'waiting', objective.text],
      whatIfRow('as planned', setting, forecast),
      ...whatIfs.map(({ name, setting: other, forecast: seen }) => whatIfRow(name, other, seen)),
    ]),
  ]
}

function workersText({ workers, workerConcurrency }: Setting): string {
  const each = `${workerConcurrency} at once`
  return workers === 1 ? `1, with ${each}` : `${workers}, each with ${each}: ${workers * workerConcurrency} in all`
}

function waitsText({ waitMs }: Forecast): string {
  return `wait p50 ${spanText(waitMs.p50)}, p99 ${spanText(waitMs.p99)}, max ${spanText(waitMs.max)}`
}

function whatIfRow(name: string, setting: Setting, { waitMs, peakWaiting, isKept, measuredMs }: Forecast): string[] {
  return [
    name,
    `${figure(setting.ratePerSecond)}/s`,
    `${setting.workers} x ${setting.workerConcurrency}`,
    spanText(waitMs.p50),
    spanText(waitMs.p99),
    spanText(waitMs.max),
    count(peakWaiting),
    isKept ? 'kept' : `broken: ${spanText(measuredMs)}`,
  ]
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] as readonly string[]).map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] as string).length)),
  )
  return rows.map((cells) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join('  ')}`.trimEnd(),
  )
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(11)}${text}`
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumSignificantDigits: 3 })
}
