/** What the doctor found, as lines for people. */

import type { Finding } from './findings.ts'
import type { QueueSnapshot } from './snapshot.ts'

export function doctorReport(snapshots: readonly QueueSnapshot[], findings: readonly Finding[]): string {
  return snapshots.map((snapshot) => queueLines(snapshot, findings).join('\n')).join('\n\n')
}

function queueLines(snapshot: QueueSnapshot, findings: readonly Finding[]): string[] {
  const { name, watchedMs, depth, flow } = snapshot
  const own = findings.filter(({ queue }) => queue === name)
  const rates = [rate(flow.arrived, 'in'), rate(flow.ended, 'out')].filter((text) => text !== '')
  const figures = [
    `${depth.ready} ready`,
    `${depth.delayed} delayed`,
    `${depth.inFlight} in flight`,
    `${depth.dead} dead`,
    ...rates,
  ]
  return [
    `${name}: ${figures.join(', ')}; watched for ${Math.round(watchedMs / 1_000)} s`,
    ...(own.length === 0 ? ['  Nothing is wrong that can be seen from here.'] : own.flatMap(findingLines)),
  ]
}

function findingLines({ code, sentence, evidence, todo }: Finding): string[] {
  return ['', `  ${code}: ${sentence}`, `    seen:  ${evidence}.`, `    do:    ${todo}`]
}

function rate(perSecond: number | undefined, way: string): string {
  return perSecond === undefined ? '' : `${Number(perSecond.toPrecision(3))}/s ${way}`
}
