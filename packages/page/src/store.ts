/** What the page knows: one signal for each thing that changes by itself. */

import { signal } from '@preact/signals'
import type { History, QueueFigures, QueueState, Sample } from './figures.ts'

const SAMPLES_KEPT = 300

/** `refused`: the gateway wants a token. */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused'

export const connection = signal<Connection>('connecting')

/** The last five minutes, oldest first. */
export const samples = signal<readonly Sample[]>([])

export function takeHistory(history: History): void {
  samples.value = history.samples
}

export function takeSample(sample: Sample): void {
  samples.value = [...samples.value, sample].slice(-SAMPLES_KEPT)
}

/** A change of state is shown at once, not at the next second. */
export function takeState(name: string, state: QueueState): void {
  const latest = samples.value.at(-1)
  if (!latest) return
  const queues = latest.queues.map((queue) => (queue.name === name ? { ...queue, state } : queue))
  samples.value = [...samples.value.slice(0, -1), { ...latest, queues }]
}

/** One queue's figures over time, with a hole where the gateway sent none. */
export function seriesOf(name: string, all: readonly Sample[]): (QueueFigures | undefined)[] {
  return all.map(({ queues }) => queues.find((queue) => queue.name === name))
}
