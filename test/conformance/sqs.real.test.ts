/** Against a stand-in: it proves what we ask of SQS and what we make of its answers, not what Amazon's own servers do. */

import { openSqs } from '../../packages/forebay/src/backends/sqs/open-sqs.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { REGION, startSqs } from '../servers/sqs.ts'
import { testConformance } from './in-vitest.ts'

/** SQS knows whole seconds only: a shorter time is one of them. */
const STEP_MS = 1_000
const SLACK_MS = 100

testConformance(
  'sqs:',
  async () => {
    const { endpoint, lookAtClock, stop } = await startSqs()
    return {
      exactTime: false,
      open: (queue) => openSqs({ url: `sqs://${REGION}?endpoint=${endpoint}`, queue }),
      elapse: async (ms) => {
        await sleep(systemClock, Math.max(ms, STEP_MS) + SLACK_MS)
        lookAtClock()
      },
      stop,
    }
  },
  { concurrent: true },
)
