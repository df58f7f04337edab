/** Against a stand-in: it proves what we ask of Azure and what we make of its answers, not what Azure's own servers do. */

import { openAzureQueue } from '../../packages/forebay/src/backends/azure-queue/open-azure-queue.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { connectionStringOf, startAzureQueue } from '../servers/azure-queue.ts'
import { testConformance } from './in-vitest.ts'

/** Azure knows whole seconds only: a shorter time is one of them. */
const STEP_MS = 1_000
const SLACK_MS = 100
/** The stand-in takes a hundred messages a second. */
const MOST = 60

testConformance(
  'azure-queue:',
  async () => {
    const { port, stop } = await startAzureQueue()
    const connectionString = connectionStringOf(port)
    return {
      exactTime: false,
      most: MOST,
      open: (queue) => openAzureQueue({ connectionString, queue }),
      elapse: (ms) => sleep(systemClock, Math.max(ms, STEP_MS) + SLACK_MS),
      stop,
    }
  },
  { concurrent: true },
)
