import { openRabbitmq } from '../../packages/forebay/src/backends/rabbitmq/open-rabbitmq.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { noRabbitmq, startRabbitmq } from '../servers/rabbitmq.ts'
import { testConformance } from './in-vitest.ts'

/** How much later than its time a thing may happen: a delay passes through two queues of the server. */
const SLACK_MS = 120

const impossible = noRabbitmq('the conformance of amqp:')

testConformance(
  'amqp:',
  async () => {
    const server = await startRabbitmq()
    return {
      exactTime: false,
      open: (queue) => openRabbitmq({ url: server.url, queue }),
      elapse: (ms) => sleep(systemClock, ms + SLACK_MS),
      stop: () => server.stop(),
    }
  },
  { impossible },
)
