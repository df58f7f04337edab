/** The other end of `simulation-threads.ts`: runs the one simulation that this thread was started for. */

import { parentPort, workerData } from 'node:worker_threads'
import { asForebayError } from '../errors.ts'
import { simulate } from './simulation.ts'
import type { FromSimulation, ThreadedOptions } from './simulation-threads.ts'

const say = (message: FromSimulation) => parentPort?.postMessage(message)

try {
  const onProgress = (share: number) => say({ share })
  say({ simulation: await simulate({ ...(workerData as ThreadedOptions), onProgress }) })
} catch (thrown) {
  const { code, message } = asForebayError(thrown)
  say({ failure: { code, message } })
}
