/**
 * The conformance suite on time that stands still: the server's functions read a table instead of the clock. So what takes how
 * long is told exactly, and the model and the law of key order are tried too.
 */

import pg from 'pg'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { NOW } from '../../packages/forebay/src/backends/postgres/sql/routine.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'
import { testConformance } from './in-vitest.ts'

const SCHEMA = `exact_${process.pid}`

/** Has every function of the schema ask `told_time` what time it is. */
async function replaceClock(client: pg.Client, start: number): Promise<void> {
  await client.query(`CREATE TABLE ${SCHEMA}.told_time AS SELECT ${start}::float8 AS now`)
  const { rows } = await client.query(
    `SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE pronamespace = '${SCHEMA}'::regnamespace`,
  )
  let replaced = 0
  for (const { text } of rows) {
    const changed = text.replaceAll(NOW, `(SELECT now FROM ${SCHEMA}.told_time)`)
    if (changed === text) continue
    replaced++
    await client.query(changed)
  }
  if (replaced < 5) throw new Error(`only ${replaced} functions read the clock`)
}

testConformance(
  'postgres: in exact time',
  async () => {
    // Nothing here needs to survive anything, and many thousand calls wait for no disk.
    const server = await anyPostgres(['fsync=off'])
    const clock = new VirtualClock()
    const open = (queue: string) =>
      openPostgres({ url: server.url, schema: SCHEMA, queue, clock, timeoutMs: 1_000_000_000 })
    const keeper = await open('keeper')
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await replaceClock(client, clock.now())
    return {
      exactTime: true,
      open,
      elapse: async (ms) => {
        await client.query(`UPDATE ${SCHEMA}.told_time SET now = now + ${ms}`)
        await clock.advance(ms)
      },
      stop: async () => {
        // The last announcement keeps its distance to the one before, and it is not known when it begins to.
        let isClosed = false
        const closed = keeper.close().finally(() => {
          isClosed = true
        })
        while (!isClosed) await clock.advance(1_000)
        await closed
        await client.query(`DROP SCHEMA ${SCHEMA} CASCADE`)
        await client.end()
        await server.stop()
      },
    }
  },
  { impossible: whyNoPostgresAtAll() },
)
