/** docs/backends.md: what each backend promises, from the backends' own declarations. */

import { capabilitiesOf as azure } from '../packages/forebay/src/backends/azure-queue/azure-queue-service.ts'
import { capabilitiesOf as cloudTasks } from '../packages/forebay/src/backends/cloud-tasks/cloud-tasks-queue-service.ts'
import { DEADLINE_MS, MAX_TASK_BYTES } from '../packages/forebay/src/backends/cloud-tasks/open-cloud-tasks.ts'
import { CAPABILITIES as memory } from '../packages/forebay/src/backends/memory/memory-queue-service.ts'
import { capabilitiesOf as nats } from '../packages/forebay/src/backends/nats/nats-queue-service.ts'
import { capabilitiesOf as postgres } from '../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import type { Capabilities } from '../packages/forebay/src/backends/queue-service.ts'
import { capabilitiesOf as rabbitmq } from '../packages/forebay/src/backends/rabbitmq/rabbitmq-queue-service.ts'
import { capabilitiesOf as redis } from '../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { capabilitiesOf as sqlite } from '../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { capabilitiesOf as sqs } from '../packages/forebay/src/backends/sqs/sqs-queue-service.ts'

const KIB = 1_024
const MIB = 1_024 * KIB

interface Column {
  readonly url: string
  readonly page: string
  readonly shares: boolean
  readonly capabilities: Capabilities
}

const identity = { fifo: false, maxMessageBytes: MIB } as Parameters<typeof sqs>[0]['identity']
const LONGEST_RABBIT_LEASE_MS = 25 * 60_000

/** As they are where nothing else is configured. */
const COLUMNS: readonly Column[] = [
  { url: 'memory:', page: 'memory', shares: true, capabilities: memory },
  { url: 'sqlite:', page: 'sqlite', shares: true, capabilities: sqlite('full') },
  { url: 'postgres:', page: 'postgres', shares: true, capabilities: postgres('disk') },
  { url: 'redis:', page: 'redis', shares: true, capabilities: redis('process') },
  { url: 'nats:', page: 'nats', shares: true, capabilities: nats('process', MIB) },
  { url: 'amqp:', page: 'rabbitmq', shares: false, capabilities: rabbitmq('quorum', LONGEST_RABBIT_LEASE_MS) },
  { url: 'sqs:', page: 'sqs', shares: false, capabilities: sqs({ identity } as Parameters<typeof sqs>[0], false) },
  {
    url: 'azure-queue:',
    page: 'azure-queue',
    shares: false,
    capabilities: azure({ maxBytes: 64 * KIB } as Parameters<typeof azure>[0], false),
  },
  {
    url: 'cloud-tasks:',
    page: 'cloud-tasks',
    shares: false,
    capabilities: cloudTasks(DEADLINE_MS, MAX_TASK_BYTES, false),
  },
]

type Row = readonly [what: string, say: (column: Column) => string]

const yes = (is: boolean | undefined) => (is ? 'yes' : '-')
const span = (ms: number) => {
  if (ms === 0) return '-'
  if (ms === Number.POSITIVE_INFINITY || ms >= 365 * 24 * 3_600_000) return 'any'
  if (ms >= 24 * 3_600_000) return `${Math.round(ms / (24 * 3_600_000))} d`
  return ms >= 3_600_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 60_000)} min`
}
const size = (bytes: number) => {
  if (bytes === Number.POSITIVE_INFINITY) return 'any'
  return bytes >= MIB ? `${Math.floor(bytes / MIB)} MiB` : `${Math.floor(bytes / KIB)} KiB`
}

const ROWS: readonly Row[] = [
  ['an acknowledged enqueue survives', ({ capabilities }) => SURVIVES[capabilities.durability]],
  ['one queue for several processes', ({ capabilities }) => yes(capabilities.sharedByProcesses)],
  ['one rate, one limit over all consumers', ({ shares }) => (shares ? 'yes' : 'with a coordinator')],
  ['fair order among keys', ({ capabilities }) => yes(capabilities.fairness)],
  ['limits for each key', ({ capabilities }) => yes(capabilities.keyLimits)],
  ['`ordered` tasks of a key', ({ capabilities }) => yes(capabilities.keyOrder)],
  ['priorities', ({ capabilities }) => (capabilities.priority === 'none' ? '-' : capabilities.priority)],
  ['order within one priority', ({ capabilities }) => capabilities.order ?? 'exact'],
  ['bounds', ({ capabilities }) => capabilities.bounds],
  ['overflow that drops tasks', ({ capabilities }) => yes(capabilities.eviction)],
  ['estimates by place', ({ capabilities }) => yes(capabilities.ahead)],
  ['longest delay', ({ capabilities }) => span(capabilities.maxDelayMs)],
  ['longest lease', ({ capabilities }) => span(capabilities.maxLeaseMs)],
  ['longest dedup window', ({ capabilities }) => span(capabilities.maxDedupWindowMs)],
  ['an id that is queued is a duplicate', ({ capabilities }) => yes(capabilities.uniqueIds ?? true)],
  ['largest payload', ({ capabilities }) => size(capabilities.maxPayloadBytes)],
  ['a task is found by its id', ({ capabilities }) => yes(capabilities.find)],
  ['results are kept', ({ capabilities }) => yes(capabilities.results)],
  ['failures are kept with the task', ({ capabilities }) => yes(capabilities.failures)],
  ["enqueue in the caller's transaction", ({ capabilities }) => yes(capabilities.transactions)],
  ['an idle consumer wakes', ({ capabilities }) => (capabilities.wake === 'event' ? 'at once' : 'at its next poll')],
]

const SURVIVES: Readonly<Record<Capabilities['durability'], string>> = {
  none: 'nothing',
  process: 'our processes',
  disk: 'power loss',
  replicated: 'a machine',
}

export function capabilityDocs(): string {
  const heads = COLUMNS.map(({ url, page }) => `[\`${url}\`](../packages/forebay/src/backends/${page}/README.md)`)
  const rows = ROWS.map(([what, say]) => `| ${[what, ...COLUMNS.map(say)].join(' | ')} |`)
  return `# What each backend promises

Written by \`npm run docs:capabilities\` from what the backends declare themselves; a test holds them to it. As they are where nothing else is
configured: the page behind each name says what its server must be set to, what changes with which option, and what it cannot do. A wish beyond a
promise is refused when the queue is opened or the task is enqueued, with the code \`UNSUPPORTED\`; nothing is approximated in silence.

| | ${heads.join(' | ')} |
|---|${COLUMNS.map(() => '---').join('|')}|
${rows.join('\n')}

\`forebay conform URL\` runs the suite that stands behind this table against a server of your own.
`
}
