/** For processes that are started while the server is away: opens the queue when it is there again. */

import { openRabbitmq } from '../../../packages/forebay/src/backends/rabbitmq/open-rabbitmq.ts'
import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'

export async function openAgain(url: string, queue: string): Promise<QueueService> {
  for (;;) {
    try {
      return await openRabbitmq({ url, queue })
    } catch {
      await sleep(systemClock, 200)
    }
  }
}
