/** A recurrence of one task a second in a process of its own: `node ticker.process.ts FILE`. Prints what each tick was answered with. */

import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { recurring } from '../../packages/forebay/src/queue/recurring.ts'

const [file] = process.argv.slice(2)
const queue = await LoadLevelingQueue.open(`sqlite:${file}`)
const recurrence = recurring(queue, {
  name: 'beat',
  cron: '* * * * * *',
  task: ({ at }) => ({ type: 'beat', payload: { at, by: process.pid } }),
})
recurrence.on('fired', ({ tick, status }) => process.stdout.write(`${tick.at} ${status}\n`))
process.on('SIGTERM', async () => {
  await recurrence.stop()
  await queue.close()
})
