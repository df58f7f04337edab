/** `forebay work`: runs a handler module on the tasks of a queue, in this process or in a pool that is scaled. */

import { type Command, InvalidArgumentError, Option } from 'commander'

export interface WorkFlags {
  readonly name: string
  readonly concurrency?: number
  readonly rate?: number
  readonly coordinator?: string
  readonly grace: number
  readonly autoscale?: { readonly min: number; readonly max: number }
  readonly p99Wait: number
  readonly startUp?: number
  readonly control: number
}

const NOTE = `
QUEUE is a backend URL such as sqlite:orders.db. MODULE is a JavaScript (or TypeScript) module whose default export is the handler:
  export default async (task, { signal }) => { ... }
  export const options = { retry: { maxAttempts: 3 } }      the consumer's options, if it needs any
--rate is kept over all workers. With --autoscale each worker is a process of its own; one that breaks is started again, and one that is
not needed any more finishes its tasks first. Each change is printed with its reason.`

export function registerWork(program: Command): void {
  program
    .command('work')
    .summary('run a handler module on the tasks of a queue')
    .description('Runs a handler on the tasks of a queue, in this process or in a pool that is scaled to an objective.')
    .argument('<queue>')
    .argument('<module>')
    .option('--name <name>', "the queue's name", 'default')
    .option('--concurrency <number>', 'tasks that each worker runs at once (default: as MODULE says, or 1)', wholeOf)
    .option(
      '--rate <per second>',
      'starts per second, over all workers (default: as MODULE says, or no limit)',
      positiveOf,
    )
    .option('--coordinator <url>', 'where the rate is kept, if QUEUE cannot (RabbitMQ, SQS)')
    .addOption(duration('--grace', 'how long tasks may run on after the end was asked for', 60_000, '1m'))
    .option('--autoscale <min..max>', 'a pool of so many processes, as many as the objective needs', rangeOf)
    .addOption(duration('--p99-wait', 'the objective: 99% of the tasks wait no longer', 60_000, '1m'))
    .addOption(
      new Option(
        '--start-up <duration>',
        'from the start of a worker until it takes tasks (default: measured)',
      ).argParser(durationOf),
    )
    .addOption(duration('--control', 'time between two decisions', 5_000, '5s'))
    .addHelpText('after', NOTE)
    .action(async (queue: string, module: string, flags: WorkFlags) => {
      const { work, workInPoolOf } = await import('./work-command.ts')
      await (flags.autoscale ? workInPoolOf(queue, module, flags, flags.autoscale) : work(queue, module, flags))
    })
}

function duration(flag: string, description: string, defaultMs: number, shown: string): Option {
  return new Option(`${flag} <duration>`, description).argParser(durationOf).default(defaultMs, shown)
}

function wholeOf(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is not a whole number above 0.')
  return number
}

function positiveOf(text: string): number {
  const number = Number(text)
  if (!(number > 0 && Number.isFinite(number))) throw new InvalidArgumentError('It is not a number above 0.')
  return number
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** @returns Milliseconds. */
export function durationOf(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (!parts) throw new InvalidArgumentError('It is not a duration such as 500ms, 30s, 5m or 1h.')
  return Number(parts[1]) * (UNITS[parts[2] as string] as number)
}

export function rangeOf(text: string): { readonly min: number; readonly max: number } {
  const parts = /^(\d{1,6})\.\.(\d{1,6})$/.exec(text)
  const [min, max] = [Number(parts?.[1]), Number(parts?.[2])]
  if (!parts || max < 1 || min > max) throw new InvalidArgumentError('It is not a range such as 0..8.')
  return { min, max }
}
