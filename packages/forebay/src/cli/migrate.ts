/** `forebay migrate`: moves the tasks of a queue to another backend, live. */

import type { Command } from 'commander'

export function registerMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('move a queue to another backend, live')
    .description(
      'Moves the tasks of a queue to another backend while both are in use. FROM and TO are backend URLs such as ' +
        'sqlite:orders.db and redis://127.0.0.1. Point the producers to the new queue, run this, and stop the old ' +
        'consumers when it ends. Dead letters stay unless --redrive makes them ready first.',
    )
    .argument('<from>', 'the old backend')
    .argument('<to>', 'the new backend')
    .option('--name <name>', "the queue's name", 'default')
    .option('--follow', 'go on when the old queue is empty, until Ctrl-C')
    .option('--redrive', 'make the dead letters ready first, so that they move and run again')
    .action(async (from: string, to: string, flags: { name: string; follow?: true; redrive?: true }) => {
      const { migrate } = await import('./migrate-command.ts')
      await migrate(from, to, { name: flags.name, follow: flags.follow ?? false, redrive: flags.redrive ?? false })
    })
}
