import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'
import { testConformance } from './in-vitest.ts'

const impossible = whyNoPostgresAtAll()

testConformance(
  'postgres:',
  async () => {
    const server = await anyPostgres()
    const open = (queue: string) => openPostgres({ url: server.url, queue })
    // Keeps the pool, so that not every check has to connect anew.
    const keeper = await open('keeper')
    return {
      exactTime: false,
      open,
      elapse: (ms) => sleep(systemClock, ms),
      stop: async () => {
        await keeper.close()
        await server.stop()
      },
    }
  },
  { impossible, concurrent: true },
)
