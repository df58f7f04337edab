/** graphile-worker, with the settings that are given. */

import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker'
import { type Contestant, Tally } from '../contestant.ts'

const logger = new Logger(() => () => undefined)

export async function openGraphile(url: string, worker: object): Promise<Contestant> {
  await runMigrations({ connectionString: url, logger })
  const utils = await makeWorkerUtils({ connectionString: url, logger })
  return {
    add: async (number) => {
      await utils.addJob('t', { number })
    },
    fill: async (count) => {
      const jobs = Array.from({ length: count }, (_, number) => ({ identifier: 't', payload: { number } }))
      for (let from = 0; from < count; from += 1_000) await utils.addJobs(jobs.slice(from, from + 1_000))
    },
    drain: async (count, concurrency) => {
      const tally = new Tally(count)
      const runner = await run({
        preset: { worker: { connectionString: url, concurrentJobs: concurrency, logger, ...worker } },
        noHandleSignals: true,
        taskList: { t: async () => tally.done() },
      })
      await tally.reached
      await runner.stop()
    },
    close: async () => {
      await utils.release()
    },
  }
}
