/** What goes wrong with a RabbitMQ server or on the way to it, against one server of our own. */

import { afterAll, beforeAll } from 'vitest'
import { noRabbitmq, OwnRabbitmq } from '../servers/rabbitmq.ts'
import { testChannels } from './rabbitmq/channels.ts'
import { testConnections } from './rabbitmq/connections.ts'
import { testCounts } from './rabbitmq/counts.ts'
import { testQueues } from './rabbitmq/queues.ts'

const none = noRabbitmq('RabbitMQ in trouble', true)
let server: OwnRabbitmq

beforeAll(async () => {
  if (!none) server = await OwnRabbitmq.start()
})
afterAll(() => server?.stop())

testQueues(none, () => server)
testChannels(none, () => server)
testCounts(none, () => server)
testConnections(none, () => server)
