/** The demo's flags. */

import { parseArgs } from 'node:util'

export interface Flags {
  readonly once: boolean
  readonly json: boolean
  readonly kill: boolean
  readonly svg: string | undefined
  readonly trace: string | undefined
  readonly speed: number
  readonly rate: number
}

const USAGE = `npm start -- [flags]: ten minutes of real traffic, straight at a fragile service and through Forebay.

  --once          end by itself after the verdict
  --json          print { "direct", "leveled" }, the figures of both, and nothing else
  --kill          kill -9 the gateway in the middle, and start it again
  --svg FILE      write the picture of both to this file
  --trace FILE    another trace than the shipped ten minutes
  --speed FACTOR  24 by default: ten minutes in 25 seconds
  --rate NUMBER   how many a second the gateway passes on, 45 by default
`

/** Ends the process on --help and on what it does not know. */
export function readFlags(args: readonly string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean' },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        kill: { type: 'boolean', default: false },
        svg: { type: 'string' },
        trace: { type: 'string' },
        speed: { type: 'string', default: '24' },
        rate: { type: 'string', default: '45' },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    const { once, json, kill, svg, trace } = values
    return { once, json, kill, svg, trace, speed: positive('speed', values.speed), rate: positive('rate', values.rate) }
  } catch (thrown) {
    process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n\n${USAGE}`)
    process.exit(2)
  }
}

function positive(name: string, text: string): number {
  const number = Number(text)
  if (!(number > 0 && Number.isFinite(number))) throw new Error(`--${name} ${text} is not a number above 0.`)
  return number
}
