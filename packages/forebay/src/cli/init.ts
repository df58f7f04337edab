/** `forebay init`: writes a commented configuration to begin with. */

import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { asForebayError, ForebayError } from '../errors.ts'

export function registerInit(program: Command): void {
  program
    .command('init')
    .description('write a commented configuration for "forebay serve"')
    .argument('[file]', 'where to', 'forebay.yaml')
    .option('--force', 'write over a file that is there')
    .action((file: string, options: { readonly force?: boolean }) => init(file, options))
}

/** @throws ForebayError INVALID_OPTION if the file is there already or cannot be written. */
export async function init(file: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
  try {
    await writeFile(file, EXAMPLE_CONFIG, { flag: force ? 'w' : 'wx' })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST')
      throw new ForebayError('INVALID_OPTION', `${file} is there already; --force writes over it.`, { cause })
    throw new ForebayError('INVALID_OPTION', `${file} could not be written: ${asForebayError(cause).message}.`, {
      cause,
    })
  }
  process.stdout.write(`${file} is written. Set the target of its queue, then: forebay serve\n`)
}

export const EXAMPLE_CONFIG = `# The configuration of "forebay serve". What is commented out shows its default.
# Variables lie over this file: FOREBAY_LISTEN, FOREBAY_STORAGE, FOREBAY_COORDINATOR, FOREBAY_TOKENS (a,b), FOREBAY_ALLOW_PRIVATE_TARGETS (a,b),
# FOREBAY_REPLY_WAIT_MS, FOREBAY_KEEP_RESULTS_MS, FOREBAY_GRACE_MS. Flags lie over both.

# Where to listen. Anything but loopback needs tokens.
listen: 127.0.0.1:8080

# Where the tasks lie: an acknowledged one survives kill -9 and power loss in an SQLite file.
storage: sqlite:forebay.db
# Where gateways keep their limits together, if the storage (amqp:, sqs:, azure-queue:) can't:
# coordinator: redis://127.0.0.1

# Where KEDA may ask for the scaling signals, by gRPC.
# kedaListen: 0.0.0.0:6000

# Who may call, as "Authorization: Bearer ...": at least 16 characters each, or "sha256:" and the token's hash in hex.
# tokens:
#   - sha256:0000000000000000000000000000000000000000000000000000000000000000

# Targets and callbacks on private addresses are refused unless a range here has them.
allowPrivateTargets:
  - 127.0.0.0/8

# The longest that a caller of /v1/through waits for its answer before it gets 202 and a URL to ask at.
# replyWaitMs: 30000
# The largest answer that is kept and passed back, in bytes.
# replyBytes: 1048576
# How long a task's result can be asked for. 0: not at all.
# keepResultsMs: 3600000
# How long a stop waits for running deliveries.
# graceMs: 10000

# What the HTTP side puts up with.
# limits:
#   bodyBytes: 1048576          # one body, or one line of NDJSON
#   streamBytes: 268435456      # one NDJSON request in all
#   batchTasks: 100000          # tasks in one request
#   headerBytes: 16384
#   headers: 100
#   headersTimeoutMs: 10000
#   requestTimeoutMs: 60000
#   keepAliveMs: 65000
#   connections: 10000

# What GET /metrics shows to Prometheus; false: it does not answer. topKeys: the most frequent keys of each queue.
# metrics:
#   maxSeries: 1000
#   topKeys: 0

queues:
  orders:
    # Where its tasks go: POST with the payload as JSON. /v1/through/orders/... goes to what lies below it.
    # Short: target: http://127.0.0.1:9000/orders
    target:
      url: http://127.0.0.1:9000/orders
      # method: POST            # or PUT, PATCH
      # headers:                # set on each request, over what a caller sent
      #   Authorization: Bearer secret-of-the-target
      # timeoutMs: 30000        # for one attempt

    # Starts per second, retries included. Short: rate: 50
    rate:
      perSecond: 50
      # burst: 0                # how many may go at once after a rest, beyond the first
      # counts: tasks           # or cost: each start counts as what its task costs
      # also: []                # further limits that hold as well, such as [{ perMinute: 90000, counts: cost }]
      # rampMs: 500             # after a pause, a quiet time or a redrive the rate climbs over this long

    # How many run at once. Over all gateways together: { max: 8, scope: queue }; found by itself: { adaptive: { max: 100 } }
    concurrency: 8
    # For each key, such as a tenant:
    # perKey: { concurrency: 2, rate: { perMinute: 60 } }

    # retry:
    #   maxAttempts: 3
    #   baseMs: 1000            # the n-th retry waits a random time up to baseMs * 2^(n-1)
    #   capMs: 60000

    # Stop calling a target that fails, until probes find it well again: breaker: {} or its fields, see docs/configuration.md
    # breaker: false

    # Give each key its fair share; default: true where the backend can. A key can have more: fair: { weights: { acme: 2 } }
    # fair: true

    # How much may be queued, and what happens beyond it: reject (429 with Retry-After), drop-oldest, drop-lowest-priority,
    # { policy: wait, deadlineMs: 2000 } or { policy: spill, to: "sqlite:spill.db" }
    # maxDepth: 100000
    # maxBytes: 1073741824      # default: no bound
    # overflow: reject
    # maxPayloadBytes: 262144
    # Refuse at once what would expire (ttlMs) before it could start.
    # shedLate: false

    # What becomes of a task that the target answers with 4xx: dead, retry or complete (with that answer).
    # onClientError: dead
    # The longest quiet that the target's Retry-After may ask for.
    # maxRetryAfterMs: 300000
    # How long a dedupId is remembered, and the Idempotency-Key of a request.
    # dedupWindowMs: 300000
    # idempotencyWindowMs: 3600000
    # Start paused: tasks come in and none goes out until POST /v1/queues/orders/resume.
    # paused: false
    # What workers are scaled by: the signal is at /v1/queues/orders/scale, and KEDA's at kedaListen.
    # scaling: { waitMs: 60000, startUpMs: 30000, min: 0, max: 50 }
    # Let callers name a URL that results are posted to (Forebay-Callback-Url).
    # callbacks: false
`
