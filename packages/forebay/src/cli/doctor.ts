/** `forebay doctor`: what is wrong with a queue that runs, in sentences. */

import { type Command, InvalidArgumentError } from 'commander'
import { ForebayError } from '../errors.ts'
import { spanMs } from '../planner/spans.ts'

export interface DoctorFlags {
  readonly name: string
  /** Milliseconds. */
  readonly watch: number
  readonly token?: string
  readonly json?: true
}

const NOTE = `
TARGET is the address of a running gateway (http://HOST:PORT, or http://HOST:PORT/v1/queues/NAME for one of its queues), or a
backend URL such as sqlite:orders.db, where the queue is named by --name. The doctor reads and changes nothing.

Exit code: 0 nothing found; 1 something found; 2 wrong use; 3 the gateway or backend could not be used.`

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('what is wrong with a queue that runs, and what to do')
    .description(
      'Looks at a running gateway or at a backend, and says in sentences what is wrong, from what it concludes that, and what to do.',
    )
    .argument('<target>', 'a gateway or a backend')
    .option('--name <name>', "the queue's name, on a backend", 'default')
    .option('--watch <span>', 'how long rates are watched; a gateway remembers five minutes', watchOf, 10_000)
    .option('--token <token>', "the gateway's token (default: $FOREBAY_TOKEN)", process.env.FOREBAY_TOKEN)
    .option('--json', 'print the findings as JSON and nothing else')
    .addHelpText('after', NOTE)
    .action(async (target: string, flags: DoctorFlags) => {
      const { doctor } = await import('./doctor-command.ts')
      await doctor(target, flags)
    })
}

function watchOf(text: string): number {
  try {
    const ms = spanMs('watch', text)
    if (ms < 100 || ms > 3_600_000) throw new InvalidArgumentError('It is from 100ms to 1h.')
    return ms
  } catch (thrown) {
    throw thrown instanceof ForebayError ? new InvalidArgumentError(thrown.message) : thrown
  }
}
