/** `forebay conform`: whether a backend keeps the contract, on a server of your own. */

import type { Command } from 'commander'

export function registerConform(program: Command): void {
  program
    .command('conform')
    .summary('run the conformance suite against a backend')
    .description(
      'Runs the suite that every backend has to pass against a backend URL, such as redis://127.0.0.1, in queues of its own ' +
        'whose names begin with "conformance-". It says what holds, what does not, and what the engine does not promise. ' +
        'On Redis they are removed at the end; its last line says what is left elsewhere. ' +
        'Takes about a minute. Needs the package fast-check.',
    )
    .argument('<url>', 'the backend')
    .option('--topic <name>', 'only this topic, such as "claim"')
    .action(async (url: string, flags: { topic?: string }) => {
      const { conform } = await import('./conform-command.ts')
      await conform(url, flags.topic)
    })
}
