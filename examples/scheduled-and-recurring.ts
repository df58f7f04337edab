/** Tasks at a moment, tasks that come again and again, and limits that depend on the time of the day. */

import { LeveledConsumer, LoadLevelingQueue, recurring } from 'forebay'

const queue = await LoadLevelingQueue.open('memory:')

// One task, at a moment.
const moment = new Date(Date.now() + 300)
await queue.enqueue({ type: 'remind', payload: 'call back', at: moment })

// One task a second. Two processes that do the same enqueue it once; here both are in one.
const everySecond = { name: 'heartbeat', cron: '* * * * * *', task: () => ({ type: 'beat', payload: null }) }
const recurrences = [recurring(queue, everySecond), recurring(queue, everySecond)]
const answers = recurrences.map(
  (one) => new Promise<string>((resolve) => one.on('fired', ({ status }) => resolve(status))),
)

const consumer = new LeveledConsumer(
  queue,
  (task) => {
    if (task.type === 'remind') console.log(task.payload, 'and not too early:', Date.now() >= moment.getTime())
  },
  {
    rate: { perSecond: 10 },
    schedule: [
      { cron: '0 22 * * *', timeZone: 'Europe/Berlin', limits: { rate: { perSecond: 100 }, concurrency: 20 } },
      { cron: '0 6 * * *', timeZone: 'Europe/Berlin', limits: {} },
    ],
  },
)
consumer.on('schedule', ({ entry }) => {
  console.log(
    'in force:',
    consumer.limits.perSecond === (entry === 0 ? 100 : 10) ? 'what the time says' : 'something else',
  )
})
const reminded = new Promise<void>((resolve) =>
  consumer.on('completed', ({ task }) => task.type === 'remind' && resolve()),
)

await consumer.start()
await reminded
console.log('the tick:', (await Promise.all(answers)).toSorted().join(' and '))
await Promise.all(recurrences.map((one) => one.stop()))
await consumer.stop()
await queue.close()

// Prints:
// in force: what the time says
// call back and not too early: true
// the tick: accepted and duplicate
