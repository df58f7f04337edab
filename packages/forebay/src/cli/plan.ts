/** `forebay plan`: which rate, how many workers and how deep a queue a recorded load needs. */

import { type Command, InvalidArgumentError } from 'commander'
import { ForebayError } from '../errors.ts'
import { parseObjective } from '../planner/objective.ts'
import { parseServiceTime } from '../planner/service-time.ts'
import { spanMs } from '../planner/spans.ts'
import type { PlanFlags } from './plan-flags.ts'

const NOTE = `
TRACE is a CSV file: "second,requests", or one request a row with its time in the first column. Instead, --from learns the load:
  --from access.log                       the common log format, CloudFront's, or one JSON object a line (nginx)
  --from prometheus http://HOST:9090 --query http_requests_total --since 24h

A service time is 120ms (always), exp:120ms, lognormal:120ms,0.5 (mean and sigma), or column:NAME of the trace in milliseconds
(of a log: column:duration).
An objective is "p99 wait < 30s", with any percentage, or with mean or max. The wait is from the enqueue to the start.

Exit code: 0 there is a plan that keeps the objective; 1 there is none, and a sentence says why; 2 wrong use.`

export function registerPlan(program: Command): void {
  program
    .command('plan')
    .summary('which rate, workers and depth a recorded load needs')
    .description(
      'Finds the least rate, concurrency, number of workers and depth of the queue that keep an objective for a recorded load, ' +
        'by the fluid bound and then by simulating the real queue and consumers, and shows what happens if things change.',
    )
    .argument('[trace]', 'the recorded load; or give --from')
    .requiredOption('--service-time <time>', 'how long one attempt takes', checked(parseServiceTime))
    .requiredOption('--slo <objective>', 'what the waits must keep', checked(parseObjective))
    .option('--speed <factor>', '20 plays twenty seconds in one', positiveOf, 1)
    .option('--worker-concurrency <number>', 'attempts at once in one worker, at most', wholeOf, 10)
    .option('--worker-cost <money>', 'what one worker costs an hour', positiveOf)
    .option('--max-rate <per second>', 'what the service bears at most', positiveOf)
    .option('--max-concurrency <number>', 'how many at once the service bears at most', wholeOf)
    .option(
      '--pickup <span>',
      'a durable write, a claim and the way to the handler',
      checked((text) => spanMs('pickup', text)),
      20,
    )
    .option('--from <source...>', 'learn the load from an access log, or from "prometheus URL"')
    .option('--query <promql>', 'for Prometheus: a counter, or an expression that gives a rate per second')
    .option('--since <span>', 'for Prometheus: how far back', spanOf('since'), 86_400_000)
    .option('--step <span>', 'for Prometheus: the time between two points', spanOf('step'), 60_000)
    .option('--save <file>', 'write what --from learned as a trace')
    .option('--svg <file>', 'write the picture to this file')
    .option('--json', 'print the plan as JSON and nothing else')
    .addHelpText('after', NOTE)
    .action(async (trace: string | undefined, flags: PlanFlags) => {
      const { plan } = await import('./plan-command.ts')
      await plan(trace, flags)
    })
}

/** A wrong value is told as commander tells it: with the option's name. */
function checked<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text)
    } catch (thrown) {
      if (thrown instanceof ForebayError) throw new InvalidArgumentError(thrown.message)
      throw thrown
    }
  }
}

/** At least a millisecond. */
function spanOf(name: string): (text: string) => number {
  return checked((text) => {
    const ms = spanMs(name, text)
    if (ms < 1) throw new InvalidArgumentError('It is at least 1ms.')
    return ms
  })
}

function positiveOf(text: string): number {
  const number = Number(text)
  if (!(number > 0 && Number.isFinite(number))) throw new InvalidArgumentError('It is not a number above 0.')
  return number
}

function wholeOf(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new InvalidArgumentError('It is not a whole number from 1 to 10000.')
  }
  return number
}
