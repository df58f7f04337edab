/**
 * The handler of the pool's tests: writes down in $LOG when each task begins and ends. A task { crash: true } ends its process, the first
 * time; one with `until` ends when that file is there; any other after `ms`.
 */
import { appendFileSync, existsSync, watch, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const log = process.env.LOG

export const options = { leaseMs: 1_000, retry: { maxAttempts: 5 } }

export default async ({ payload: { n, ms = 20, crash, until } }) => {
  appendFileSync(log, `begin ${n} ${process.pid}\n`)
  await setTimeout(ms)
  if (crash && !existsSync(`${log}.crashed`)) {
    writeFileSync(`${log}.crashed`, '')
    process.exit(7)
  }
  while (until && !existsSync(until)) await changeBeside(until)
  appendFileSync(log, `end ${n} ${process.pid}\n`)
}

/** Or half a second, for a change just before is not seen. */
async function changeBeside(file) {
  const stop = new AbortController()
  const watcher = watch(dirname(file))
  await Promise.race([
    new Promise((resolve) => watcher.once('change', resolve)),
    setTimeout(500, undefined, { signal: stop.signal }).catch(() => {}),
  ])
  stop.abort()
  watcher.close()
}
