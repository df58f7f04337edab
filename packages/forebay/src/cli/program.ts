/** The command `forebay`: one file for each of its commands. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { asForebayError, type ForebayError } from '../errors.ts'
import { Answered } from './answered.ts'
import { registerConform } from './conform.ts'
import { registerDead } from './dead.ts'
import { EXIT_INTERRUPTED, Interrupted } from './interrupt.ts'
import { registerDoctor } from './doctor.ts'
import { registerInit } from './init.ts'
import { registerMigrate } from './migrate.ts'
import { registerPlan } from './plan.ts'
import { registerReplay } from './replay.ts'
import { registerServe } from './serve.ts'
import { registerWork } from './work.ts'

/** Wrong use: an unknown command or option, a value that does not fit. */
const EXIT_WRONG_USE = 2

export function buildProgram(): Command {
  const program = new Command('forebay')
    .description('Queue-based load leveling: bursts go into a durable queue, a fragile service gets a steady rate.')
    .version(versionOf(), '--version')
    .showHelpAfterError('(forebay help shows what there is)')
    .exitOverride()
  registerServe(program)
  registerWork(program)
  registerInit(program)
  registerReplay(program)
  registerPlan(program)
  registerDoctor(program)
  registerDead(program)
  registerMigrate(program)
  registerConform(program)
  return program
}

/** Runs the command. @returns The exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(args, { from: 'user' })
    return 0
  } catch (thrown) {
    // Commander has printed what it has to say already.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_WRONG_USE
    if (thrown instanceof Answered) return thrown.exitCode
    if (thrown instanceof Interrupted) {
      process.stderr.write(`forebay: ${thrown.message}.\n`)
      return EXIT_INTERRUPTED
    }
    const error = asForebayError(thrown)
    process.stderr.write(`${tell(error)}\n`)
    return error.exitCode
  }
}

/** An error as a person reads it: what happened, and what to do. Never a stack trace. */
export function tell(error: ForebayError): string {
  return `forebay: ${error.code}: ${error.message}\n${error.todo}`
}

function versionOf(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
