import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { testConformance } from './in-vitest.ts'

testConformance('sqlite:', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-conformance-'))
  const clock = new VirtualClock()
  const open = (queue: string) => openSqlite({ path: join(folder, 'queue.db'), queue, clock })
  // Keeps the file's thread, so that not every check has to start one.
  const keeper = await open('keeper')
  return {
    exactTime: true,
    open,
    elapse: (ms) => clock.advance(ms),
    stop: async () => {
      await keeper.close()
      await rm(folder, { recursive: true })
    },
  }
})
