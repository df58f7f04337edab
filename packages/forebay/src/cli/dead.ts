/** `forebay dead`: see, redrive and drop the dead letters of a queue, on its backend. */

import { type Command, InvalidArgumentError } from 'commander'

interface DeadFlags {
  readonly name: string
  readonly all?: true
  readonly json?: true
  readonly limit?: number
}

export function registerDead(program: Command): void {
  const dead = program
    .command('dead')
    .summary('see, redrive and drop dead letters')
    .description(
      'Sees, redrives and drops the dead letters of a queue. QUEUE is a backend URL such as sqlite:orders.db.',
    )
  const withQueue = (command: Command) =>
    command.argument('<queue>').option('--name <name>', "the queue's name", 'default')

  withQueue(dead.command('list').description('Lists dead letters, oldest first.'))
    .option('--limit <number>', 'at most this many', wholeOf, 100)
    .option('--json', 'one JSON object a line')
    .action(async (where: string, flags: DeadFlags) => {
      const { listDead } = await import('./dead-command.ts')
      await listDead(where, flags.name, flags.limit ?? 100, flags.json ?? false)
    })
  for (const [what, description] of [
    ['redrive', 'Makes dead letters ready again, with no attempts used.'],
    ['drop', 'Forgets dead letters for good.'],
  ] as const) {
    withQueue(dead.command(what).description(description))
      .argument('[ids...]', 'which ones')
      .option('--all', 'all of them')
      .action(async (where: string, ids: string[], flags: DeadFlags) => {
        const { endDead } = await import('./dead-command.ts')
        await endDead(where, flags.name, what, flags.all ? 'all' : ids)
      })
  }
}

function wholeOf(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is not a whole number above 0.')
  return number
}
