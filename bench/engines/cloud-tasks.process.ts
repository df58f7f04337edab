/**
 * The same replay through Cloud Tasks' stand-in, which lives in this process since no URL leads to it: trace `argv[2]`, rate
 * `argv[3]`, speed `argv[4]`. Prints the figures as `forebay replay --json` does.
 */

import { openCloudTasks } from '../../packages/forebay/src/backends/cloud-tasks/open-cloud-tasks.ts'
import { openReceiver } from '../../packages/forebay/src/backends/cloud-tasks/receiver.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { queueDoor } from '../../packages/forebay/src/replay/doors.ts'
import { sinkDownstream } from '../../packages/forebay/src/replay/downstream.ts'
import { figuresOf } from '../../packages/forebay/src/replay/figures.ts'
import { openLocalQueue } from '../../packages/forebay/src/replay/local-queue.ts'
import { localProbe } from '../../packages/forebay/src/replay/queue-probe.ts'
import { replayThroughQueue } from '../../packages/forebay/src/replay/run-replay.ts'
import { openSink } from '../../packages/forebay/src/replay/sink.ts'
import { readTrace } from '../../packages/forebay/src/replay/trace.ts'
import { CloudTasksServer, clientAt, SERVICE_ACCOUNT } from '../../test/servers/cloud-tasks.ts'

const [trace = '', rate = '', speed = ''] = process.argv.slice(2)
const RUN = 'engines'

const server = await CloudTasksServer.start()
const receiver = await openReceiver({ listen: { host: '127.0.0.1', port: 0 }, keys: server.mint.keys })
const client = clientAt(server.port)
const service = await openCloudTasks({
  url: 'cloud-tasks://shop/europe-west1',
  client,
  receiver,
  target: `http://127.0.0.1:${receiver.port}/deliveries`,
  serviceAccount: SERVICE_ACCOUNT,
  queue: RUN,
  depthEveryMs: 250,
})
const clock = systemClock
const sink = await openSink(clock)
const local = await openLocalQueue(service, { name: RUN, rate: Number(rate), sink, clock })
const { arrivalsMs } = await readTrace(trace, { speed: Number(speed) })
const door = queueDoor(local.queue, RUN)
const { record } = await replayThroughQueue({
  dueMs: arrivalsMs,
  door: door.knock,
  downstream: sinkDownstream(sink, RUN),
  probe: localProbe(local.queue),
  rate: Number(rate),
  load: {
    clock,
    timeoutMs: 10_000,
    retry: false,
    signal: new AbortController().signal,
    onChange: () => undefined,
  },
})
process.stdout.write(`${JSON.stringify(figuresOf(record))}\n`)
await door.close()
await local.close()
await sink.close()
await client.close()
await receiver.close()
await server.stop()
