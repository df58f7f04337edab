/** A producer in a process of its own: `node producer.process.ts FILE COUNT GAP_MS`. Each payload says when its enqueue was called. */

import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'

const [file, count, gapMs] = process.argv.slice(2)
const queue = await LoadLevelingQueue.open(`sqlite:${file}`)
for (let n = 0; n < Number(count); n++) {
  await sleep(systemClock, Number(gapMs))
  await queue.enqueue({ type: 't', payload: systemClock.monotonic() })
}
await queue.close()
