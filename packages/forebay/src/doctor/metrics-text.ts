/** As much of Prometheus's text format as the doctor reads: the samples of the metrics that it names. */

import type { KeySeen } from './snapshot.ts'

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

export interface QueueMetrics {
  readonly serviceP99Ms: number | undefined
  readonly leasesLost: number | undefined
  readonly keys: readonly KeySeen[]
}

/** What the metrics of a gateway say of one of its queues; undefined where they do not say it. */
export function metricsOf(text: string, queue: string): QueueMetrics {
  const samples = samplesOf(text).filter(({ labels }) => labels.queue === queue)
  const named = (name: string) => samples.filter((sample) => sample.name === name)
  const lost = named('forebay_leases_lost_total')
  return {
    serviceP99Ms: p99Ms(named('messaging_process_duration_seconds_bucket')),
    leasesLost: lost.length > 0 ? sum(lost) : undefined,
    keys: named('forebay_key_tasks').map(({ labels, value }) => ({ key: labels.key ?? '', tasks: value })),
  }
}

function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
    return name === undefined ? [] : [{ name, labels: labelsOf(labels), value: Number(value) }]
  })
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [name, unescaped(value)])
  return Object.fromEntries(pairs)
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}

/** The least bound of a bucket that 99% of the attempts do not exceed, over all types and outcomes; of the widest one where none is. */
function p99Ms(buckets: readonly Sample[]): number | undefined {
  const upTo = new Map<number, number>()
  for (const { labels, value } of buckets) {
    const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)
    upTo.set(bound, (upTo.get(bound) ?? 0) + value)
  }
  const all = upTo.get(Number.POSITIVE_INFINITY) ?? 0
  const bounds = [...upTo.keys()].filter(Number.isFinite).sort((a, b) => a - b)
  const bound = bounds.find((one) => (upTo.get(one) as number) >= 0.99 * all) ?? bounds.at(-1)
  return all === 0 || bound === undefined ? undefined : bound * 1_000
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((all, { value }) => all + value, 0)
}
