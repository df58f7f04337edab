/** `forebay replay`: a recorded load as real load, at a target or through a queue, with the figures of what came out. */

import { type Command, InvalidArgumentError } from 'commander'
import type { ReplayFlags } from './replay-flags.ts'

const NOTE = `
TRACE is a CSV file: "second,requests", or one request a row with its time in the first column.

Where the figures come from: due times and answers from this process; arrivals from the downstream's side, which is
  --target URL                        the answers of the target, unless --arrivals names its log
  --queue sqlite:FILE or memory:      a sink that the replay opens itself; --rate is the queue's rate
  --queue http://HOST/v1/queues/NAME  --sink PORT (make http://127.0.0.1:PORT the queue's target), or --arrivals URL;
                                      with neither, the gateway's own counts, and what they cannot tell is null
A log answers GET URL?run=RUN with lines { "index", "atMs", "served" }; requests carry RUN.INDEX in the header
forebay-replay, or in their JSON body as "replay".`

export function registerReplay(program: Command): void {
  program
    .command('replay')
    .summary('replay a trace as real load, and measure what comes out')
    .description(
      'Replays a trace as real load, at a target or through a queue, and reports the picture and the figures.',
    )
    .argument('<trace>', 'the trace, a CSV file')
    .option('--target <url>', 'send each request straight to this URL', urlOf)
    .option('--queue <url>', 'send them through this queue: a backend URL, or a queue of a gateway')
    .option('--rate <per second>', "the queue's rate; also what the fluid bound is computed for", positiveOf)
    .option('--speed <factor>', '20 plays twenty seconds in one', positiveOf, 1)
    .option('--timeout <ms>', 'how long a request waits for its answer', positiveOf, 10_000)
    .option('--retry', 'obey Retry-After, and send again what had no answer')
    .option('--sink <port>', 'be the downstream: take requests at this port and write down when they come', portOf)
    .option('--arrivals <url>', 'ask this URL what arrived at the downstream', urlOf)
    .option('--token <token>', "the gateway's token (default: $FOREBAY_TOKEN)", process.env.FOREBAY_TOKEN)
    .option('--json', 'print the figures as JSON and nothing else')
    .addHelpText('after', NOTE)
    .action(async (trace: string, flags: ReplayFlags) => {
      const { replay } = await import('./replay-command.ts')
      await replay(trace, flags)
    })
}

function urlOf(text: string): URL {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new InvalidArgumentError('It is not an http(s) URL.')
  return url
}

function positiveOf(text: string): number {
  const number = Number(text)
  if (!(number > 0 && Number.isFinite(number))) throw new InvalidArgumentError('It is not a number above 0.')
  return number
}

function portOf(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('It is not a port.')
  return port
}
