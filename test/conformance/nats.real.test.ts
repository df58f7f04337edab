import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseNatsUrl } from '../../packages/forebay/src/backends/nats/nats-url.ts'
import { openNats } from '../../packages/forebay/src/backends/nats/nats-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { FAST_FOLDER, haveNats, NatsServer } from '../servers/nats.ts'
import { testConformance } from './in-vitest.ts'

/** A server that is to be used instead of one of our own. */
const given = process.env.FOREBAY_TEST_NATS_URL

/** Real time is never exact: a lease of a second is surely over a little later. */
const SLACK_MS = 60

if (given !== undefined || haveNats('the conformance of nats:')) {
  testConformance('nats:', async () => {
    const folder = await mkdtemp(join(FAST_FOLDER, 'forebay-conformance-'))
    const server = given === undefined ? await NatsServer.start(folder) : undefined
    const url = given ?? (server as NatsServer).url
    return {
      exactTime: false,
      open: (queue) => openNats({ ...parseNatsUrl(url), queue }),
      elapse: (ms) => sleep(systemClock, ms + SLACK_MS),
      stop: async () => {
        await server?.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
}
