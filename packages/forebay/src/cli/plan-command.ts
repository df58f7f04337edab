/** What `forebay plan` does, once its flags are read. */

import { writeFile } from 'node:fs/promises'
import { systemClock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { type Chosen, makePlan, type Plan } from '../planner/plan.ts'
import { planReport } from '../planner/plan-report.ts'
import { SimulationThreads } from '../planner/simulation-threads.ts'
import { CHART_COLUMNS, chartOf, wantsColour } from '../replay/chart.ts'
import { pictureOf } from '../replay/picture.ts'
import { svgOf } from '../replay/svg.ts'
import { Answered } from './answered.ts'
import { onInterrupt } from './interrupt.ts'
import type { PlanFlags } from './plan-flags.ts'
import { loadOf, type PlanLoad } from './plan-load.ts'
import { ProgressLine } from './progress.ts'

/** @throws ForebayError what is wrong with the flags or the trace; Answered 1 if nothing keeps the objective. */
export async function plan(file: string | undefined, flags: PlanFlags): Promise<void> {
  const source = await loadOf(file, flags, systemClock)
  const progress = new ProgressLine(systemClock, process.stderr)
  const stop = onInterrupt('The plan was stopped before its end; there is none')
  const onProgress = (share: number) => progress.show(share, `${Math.floor(100 * share)}% simulated`)
  const threads = new SimulationThreads({ signal: stop.signal, onProgress })
  try {
    const made = await makePlan({
      load: source.load,
      objective: flags.slo,
      pickupMs: flags.pickup,
      workerConcurrency: flags.workerConcurrency,
      workerCostPerHour: flags.workerCost,
      maxRate: flags.maxRate,
      maxConcurrency: flags.maxConcurrency,
      simulate: (options) => threads.simulate(options),
    })
    progress.clear()
    await draw(made, source, flags)
    print(made, source, flags)
    if (!made.chosen?.forecast.isKept) throw new Answered(1)
  } finally {
    progress.clear()
    stop.off()
  }
}

function print(made: Plan, { name, told }: PlanLoad, flags: PlanFlags): void {
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ source: told ?? name, ...plainPlan(made) })}\n`)
    return
  }
  const lines = [...(told === undefined ? [] : [`  ${told}`]), planReport(made)]
  if (made.chosen) {
    const title = `${name}, as planned`
    lines.push('', chartOf(picture(made.chosen), { title, colour: wantsColour(process.stdout, process.env) }))
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function draw({ chosen, objective }: Plan, { shortName }: PlanLoad, { svg }: PlanFlags): Promise<void> {
  if (svg === undefined || chosen === undefined) return
  const { setting } = chosen
  const column = {
    title: `${setting.ratePerSecond}/s, ${setting.workers} x ${setting.workerConcurrency} at once`,
    subtitle: `${shortName}: ${objective.text}`,
    picture: picture(chosen),
    labels: ['requests a second', 'waiting', 'starts a second'],
  } as const
  await writeFile(svg, svgOf([column])).catch((thrown: unknown) => {
    throw new ForebayError('INVALID_OPTION', `svg: ${svg} cannot be written: ${messageOf(thrown)}.`, { path: 'svg' })
  })
}

function picture({ simulation }: Chosen) {
  const { arrivalsMs, attemptsMs, startsMs, durationMs } = simulation
  return pictureOf({ inMs: arrivalsMs, outMs: attemptsMs, leftMs: startsMs }, durationMs, CHART_COLUMNS)
}

/** The plan without the simulation's own arrays. */
function plainPlan({ chosen, ...plan }: Plan): object {
  if (chosen === undefined) return { ...plan, chosen: null }
  const { simulation: _, cost = null, ...rest } = chosen
  return { ...plan, chosen: { ...rest, cost } }
}
