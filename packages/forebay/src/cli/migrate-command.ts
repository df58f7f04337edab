/** What `forebay migrate` does, once its flags are read. */

import { openBackend } from '../backends/open-backend.ts'
import type { Depth } from '../backends/queue-service.ts'
import { systemClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { Migration, type Moved } from '../migration/migration.ts'
import { systemRandom } from '../random.ts'
import { onInterrupt } from './interrupt.ts'
import { ProgressLine } from './progress.ts'

export interface MigrateFlags {
  readonly name: string
  readonly follow: boolean
  readonly redrive: boolean
}

/** @throws ForebayError what keeps a backend from opening; Interrupted. */
export async function migrate(fromUrl: string, toUrl: string, flags: MigrateFlags): Promise<void> {
  if (fromUrl === toUrl) {
    throw new ForebayError('INVALID_OPTION', 'Both queues are the same; nothing was moved.', { path: 'to' })
  }
  const place = { queue: flags.name, clock: systemClock, random: systemRandom }
  const from = await openBackend(fromUrl, place)
  const interruption = onInterrupt('the migration was ended; what was moved is moved, the rest is where it was')
  const line = new ProgressLine(systemClock, process.stderr)
  try {
    const to = await openBackend(toUrl, place)
    try {
      if (flags.redrive) process.stderr.write(`${await from.dead.redrive('all')} dead letters made ready.\n`)
      const migration = new Migration({
        from,
        to,
        clock: systemClock,
        random: systemRandom,
        follow: flags.follow,
        onProgress: (moved, left) => line.show(shareOf(moved, left), progressText(moved, left)),
        onError: (error, retryInMs) =>
          process.stderr.write(`\n${error.code}: ${error.message} (again in ${Math.round(retryInMs)} ms)\n`),
      })
      const moved = await migration.run(interruption.signal)
      line.clear()
      interruption.signal.throwIfAborted()
      const { dead } = await from.depth()
      process.stdout.write(
        `${moved.moved} tasks moved, ${moved.expired} expired; ${dead} dead letters are left in the old queue.\n`,
      )
    } finally {
      await to.close()
    }
  } finally {
    interruption.off()
    await from.close()
  }
}

function shareOf({ moved }: Moved, { ready, delayed, inFlight }: Depth): number {
  const left = ready + delayed + inFlight
  return moved + left === 0 ? 1 : moved / (moved + left)
}

function progressText({ moved }: Moved, { ready, delayed, inFlight }: Depth): string {
  return `${moved} moved; left: ${ready} ready, ${delayed} that wait for their time, ${inFlight} in flight`
}
