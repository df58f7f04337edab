/** One queue: its state, the picture of the pattern (what comes in, what waits, what goes out), and the figures. */

import { useState } from 'preact/hooks'
import { Chart, type ChartLine } from './chart.tsx'
import type { FlowBound, QueueFigures, QueueState, Sample } from './figures.ts'
import { count, rate, span } from './format.ts'
import { command } from './live-connection.ts'
import { seriesOf } from './store.ts'

const STATES: Readonly<Record<QueueState, string>> = {
  running: 'Running',
  paused: 'Paused',
  stopping: 'Stopping',
  stopped: 'Stopped',
}

export function QueueCard({ figures, samples }: { figures: QueueFigures; samples: readonly Sample[] }) {
  const { name, state, limit } = figures
  return (
    <section class="card" aria-label={`Queue ${name}`}>
      <header class="card-head">
        <h2>{name}</h2>
        <span class={`state state-${state}`}>{STATES[state]}</span>
        <span class="limits">
          {limit.ratePerSecond === null ? 'no limit on the rate' : `at most ${rate(limit.ratePerSecond)} per second`},{' '}
          {count(limit.concurrency)} at once
          <Effective {...figures.effectiveRate} />
        </span>
        <PauseButton name={name} state={state} />
      </header>
      {figures.standsStill && <p class="fault">{figures.standsStill.reason}</p>}
      <Picture figures={figures} samples={samples} />
      <Totals figures={figures} />
    </section>
  )
}

/** Where something tighter than the rate bounds the flow. What is paused or broken says so by itself. */
const BOUNDS: Partial<Record<FlowBound, string>> = {
  hold: 'held: the downstream asked for quiet',
  quota: 'by its quota',
  concurrency: 'by what runs at once',
}

function Effective({ perSecond, boundBy }: QueueFigures['effectiveRate']) {
  const bound = BOUNDS[boundBy]
  if (perSecond === null || bound === undefined) return null
  return <small class="effective"> {boundBy === 'hold' ? bound : `now ${rate(perSecond)} per second, ${bound}`}</small>
}

function PauseButton({ name, state }: { name: string; state: QueueState }) {
  const [fault, setFault] = useState<string>()
  if (state !== 'running' && state !== 'paused') return null
  const verb = state === 'running' ? 'pause' : 'resume'
  const onClick = async () => setFault(await command(name, verb))
  return (
    <>
      <button type="button" onClick={onClick} aria-label={`${verb} ${name}`}>
        {verb === 'pause' ? 'Pause' : 'Resume'}
      </button>
      {fault && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
    </>
  )
}

function Picture({ figures, samples }: { figures: QueueFigures; samples: readonly Sample[] }) {
  const { perSecond, depth, limit, oldestReadyAgeMs } = figures
  const series = seriesOf(figures.name, samples)
  const times = samples.map(({ at }) => at / 1_000)
  const values = (read: (figures: QueueFigures) => number | null) => series.map((one) => (one ? read(one) : null))
  const offered = values((one) => one.perSecond.offered)
  const waiting = values((one) => (one.depth ? one.depth.ready + one.depth.delayed : null))
  // Both rates have one scale: that is where the levelling is seen.
  const fastest = Math.max(1, limit.ratePerSecond ?? 0, ...offered.map((value) => value ?? 0))
  const waitingNow = depth && depth.ready + depth.delayed
  const limitText = limit.ratePerSecond === null ? 'no limit' : `limit ${rate(limit.ratePerSecond)}`
  return (
    <div class="picture">
      <Row
        title="In"
        figure={rate(perSecond.offered)}
        unit="per second"
        note={perSecond.refused > 0 ? `${rate(perSecond.refused)} refused` : 'none refused'}
        chart={{
          label: `Input rate: ${rate(perSecond.offered)} per second now, ${rate(fastest)} at most on this chart`,
          lines: [
            { color: '--in', fill: '--in-fill', values: offered },
            { color: '--refused', fill: '--refused-fill', values: unlessZero(values((one) => one.perSecond.refused)) },
          ],
          atLeast: fastest,
        }}
        times={times}
      />
      <Row
        title="Waiting"
        figure={count(waitingNow)}
        unit={waitingNow === 1 ? 'task' : 'tasks'}
        note={depth?.ready ? `oldest ${span(oldestReadyAgeMs)}` : 'nothing is due'}
        chart={{
          label: `Queue depth: ${count(waitingNow)} tasks wait now`,
          lines: [{ color: '--queue', fill: '--queue-fill', values: waiting }],
          atLeast: 10,
        }}
        times={times}
      />
      <Row
        title="Out"
        figure={rate(perSecond.started)}
        unit="per second"
        note={limitText}
        chart={{
          label: `Output rate: ${rate(perSecond.started)} per second now, ${limitText}`,
          lines: [
            { color: '--out', fill: '--out-fill', values: values((one) => one.perSecond.started) },
            { color: '--limit', dash: [5, 4], values: values((one) => one.limit.ratePerSecond) },
          ],
          atLeast: fastest,
        }}
        times={times}
        showTimes
      />
    </div>
  )
}

/** The line is drawn where there is something, down to its feet on both sides, and not along the bottom. */
function unlessZero(values: readonly (number | null)[]): (number | null)[] {
  return values.map((value, index) => (value || values[index - 1] || values[index + 1] ? value : null))
}

interface RowProps {
  readonly title: string
  readonly figure: string
  readonly unit: string
  readonly note: string
  readonly chart: { readonly label: string; readonly lines: readonly ChartLine[]; readonly atLeast: number }
  readonly times: readonly number[]
  readonly showTimes?: boolean
}

function Row({ title, figure, unit, note, chart, times, showTimes = false }: RowProps) {
  return (
    <div class="row">
      <div class="reading">
        <h3>{title}</h3>
        <p class="figure">
          <strong>{figure}</strong> {unit}
        </p>
        <p class="note">{note}</p>
      </div>
      <Chart {...chart} times={times} showTimes={showTimes} />
    </div>
  )
}

type TotalsRow = readonly [string, string, boolean?]

/** What most queues never do is shown by those that have. */
function unlessNone(term: string, total: number, alarming = false): readonly TotalsRow[] {
  return total > 0 ? [[term, count(total), alarming]] : []
}

function Totals({ figures: { depth, totals } }: { figures: QueueFigures }) {
  const rows: readonly TotalsRow[] = [
    ['Accepted', count(totals.accepted)],
    ['Completed', count(totals.completed)],
    ['In flight', count(depth?.inFlight)],
    ['Delayed', count(depth?.delayed)],
    ['Retried', count(totals.retried)],
    ['Refused', count(totals.refused)],
    ...unlessNone('Spilled', totals.spilled),
    ...unlessNone('Expired', totals.expired),
    ...unlessNone('Dropped', totals.dropped, true),
    ['Dead letters', count(depth?.dead), (depth?.dead ?? 0) > 0],
  ]
  return (
    <dl class="totals">
      {rows.map(([term, value, alarming]) => (
        <div key={term} class={alarming ? 'alarming' : ''}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
