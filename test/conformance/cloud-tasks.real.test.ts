/** Against a stand-in: it proves what we ask of Cloud Tasks and what we make of its deliveries, not what Google's own servers do. */

import { openCloudTasks } from '../../packages/forebay/src/backends/cloud-tasks/open-cloud-tasks.ts'
import { openReceiver } from '../../packages/forebay/src/backends/cloud-tasks/receiver.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { CloudTasksServer, clientAt, SERVICE_ACCOUNT } from '../servers/cloud-tasks.ts'
import { testConformance } from './in-vitest.ts'

/** From its time on a task has to be delivered first. */
const SLACK_MS = 200
/** Each task is a request of HTTP and a token to be checked, all in this one process. */
const MOST = 60

testConformance(
  'cloud-tasks:',
  async () => {
    const server = await CloudTasksServer.start()
    const receiver = await openReceiver({ listen: { host: '127.0.0.1', port: 0 }, keys: server.mint.keys })
    const client = clientAt(server.port)
    const url = 'cloud-tasks://shop/europe-west1'
    const target = `http://127.0.0.1:${receiver.port}/deliveries`
    const common = { url, client, receiver, target, serviceAccount: SERVICE_ACCOUNT }
    return {
      exactTime: false,
      most: MOST,
      // A look at any time, whatever it costs.
      open: (queue) => openCloudTasks({ ...common, queue, depthEveryMs: 0 }),
      elapse: (ms) => sleep(systemClock, ms + SLACK_MS),
      stop: async () => {
        await client.close()
        await receiver.close()
        await server.stop()
      },
    }
  },
  { concurrent: true },
)
