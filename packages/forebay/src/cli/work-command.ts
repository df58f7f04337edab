/** What `forebay work` does, once its flags are read. */

import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { systemClock } from '../clock.ts'
import type { Batch, Handler } from '../consumer/handler.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../consumer/options.ts'
import { ForebayError, messageOf } from '../errors.ts'
import type { ScalingDecision } from '../flow/scaling-options.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { systemRandom } from '../random.ts'
import { Autoscaler } from '../scaling/autoscaler.ts'
import { workInPool } from '../scaling/pool-worker.ts'
import { WorkerPool } from '../scaling/worker-pool.ts'
import { forkWorker } from '../scaling/worker-process.ts'
import { onInterrupt } from './interrupt.ts'
import type { WorkFlags } from './work.ts'

interface HandlerModule {
  readonly handler: Handler<AnyTaskTypes> | Batch<AnyTaskTypes>
  readonly options: ConsumerOptions<AnyTaskTypes>
}

/**
 * Works in this process until it is asked to end.
 * @throws ForebayError INVALID_OPTION for a module that has no handler, or what the backend says.
 */
export async function work(where: string, module: string, flags: WorkFlags): Promise<void> {
  const { handler, options } = await loadHandler(module)
  const { rate, concurrency } = flags
  const queue = await openQueue(where, flags)
  try {
    const consumer = new LeveledConsumer(queue, handler, {
      ...options,
      ...(rate !== undefined && { rate: { ...options.rate, perSecond: rate } }),
      ...(concurrency !== undefined && { concurrency }),
    })
    consumer.on('error', ({ error }) => report(error))
    // The pool says what its workers do.
    if (!process.connected) say(`Working on ${flags.name}. Stop it with Ctrl-C: running tasks may end.`)
    await workInPool(queue, consumer, { graceMs: flags.grace })
  } finally {
    await queue.close()
  }
}

/** Runs a pool of processes, each of which works as above, and scales it, until it is asked to end. */
export async function workInPoolOf(
  where: string,
  module: string,
  flags: WorkFlags,
  { min, max }: { readonly min: number; readonly max: number },
): Promise<void> {
  // A module that is wrong is told here, once, and not by each worker.
  const { options } = await loadHandler(module)
  const queue = await openQueue(where, flags)
  const interruption = onInterrupt('Stopped')
  const perSecond = flags.rate ?? options.rate?.perSecond
  const command = {
    file: fileURLToPath(new URL(`./main${import.meta.filename.slice(-3)}`, import.meta.url)),
    args: workerArgs(where, module, flags),
  }
  const pool = new WorkerPool({
    clock: systemClock,
    random: systemRandom,
    start: () => forkWorker(command),
    ...(perSecond !== undefined && { capacityPerSecond: perSecond }),
  })
  try {
    if (!queue.service.capabilities.sharedByProcesses) {
      const message = `The ${queue.service.backend} backend is not shared by processes: no worker would see a task. Use sqlite: or a server, or leave --autoscale out.`
      throw new ForebayError('UNSUPPORTED', message)
    }
    const autoscaler = new Autoscaler(queue, pool, {
      waitMs: flags.p99Wait,
      ...(flags.startUp !== undefined && { startUpMs: flags.startUp }),
      controlMs: flags.control,
      slots: slotsOf(flags, options),
      min,
      max,
    })
    tellOf(pool, autoscaler)
    autoscaler.start()
    say(`Working on ${flags.name} with ${min} to ${max} processes. Stop it with Ctrl-C: running tasks may end.`)
    await aborted(interruption.signal)
    say('Stopping: running tasks may end. Press again to end at once; nothing acknowledged is lost.')
    await autoscaler.stop()
    // The workers keep to the grace themselves; what does not come to its end by then is killed.
    await pool.stop({ graceMs: flags.grace + 5_000 })
  } finally {
    interruption.off()
    await pool.stop({ graceMs: 0 })
    await queue.close()
  }
}

function slotsOf({ concurrency }: WorkFlags, options: ConsumerOptions<AnyTaskTypes>): number {
  if (concurrency !== undefined) return concurrency
  // Of a limit that is kept over all, or that learns, it is not known what falls to one worker.
  return typeof options.concurrency === 'number' ? options.concurrency : 1
}

function workerArgs(where: string, module: string, flags: WorkFlags): string[] {
  const { name, concurrency, rate, coordinator, grace } = flags
  const args = ['work', where, module, '--name', name, '--grace', `${grace}ms`]
  if (concurrency !== undefined) args.push('--concurrency', String(concurrency))
  if (rate !== undefined) args.push('--rate', String(rate))
  if (coordinator !== undefined) args.push('--coordinator', coordinator)
  return args
}

function tellOf(pool: WorkerPool, autoscaler: Autoscaler): void {
  autoscaler.on('decision', (decision) => {
    if (decision.change !== 'hold') say(sentenceOf(decision))
  })
  autoscaler.on('error', ({ error }) => report(error))
  pool.on('ready', ({ pid, startUpMs }) => say(`Worker ${pid} is ready after ${Math.round(startUpMs)} ms.`))
  pool.on('draining', ({ pid }) => say(`Worker ${pid} finishes what it has begun.`))
  pool.on('ended', ({ pid }) => say(`Worker ${pid} has ended.`))
  pool.on('broken', ({ pid, how, retryInMs }) =>
    say(`Worker ${pid} broke (${how}); a new one starts in ${Math.round(retryInMs)} ms.`),
  )
}

function sentenceOf({ before, desired, reason }: ScalingDecision): string {
  return `${before} -> ${desired} workers: ${reason}`
}

function openQueue(where: string, { name, coordinator }: WorkFlags): Promise<LoadLevelingQueue> {
  return LoadLevelingQueue.open(where, { name, ...(coordinator !== undefined && { coordinator }) })
}

async function loadHandler(module: string): Promise<HandlerModule> {
  let loaded: { readonly default?: unknown; readonly options?: unknown }
  try {
    loaded = await import(pathToFileURL(resolve(module)).href)
  } catch (cause) {
    throw new ForebayError('INVALID_OPTION', `${module} could not be loaded: ${messageOf(cause)}. No task was taken.`, {
      cause,
    })
  }
  const { default: handler, options = {} } = loaded
  const isBatch = typeof handler === 'object' && handler !== null && 'handle' in handler
  if (typeof handler !== 'function' && !isBatch) {
    throw new ForebayError('INVALID_OPTION', `${module} has no default export that is a handler. No task was taken.`)
  }
  // What the options hold is judged by the consumer.
  return { handler: handler as HandlerModule['handler'], options: options as HandlerModule['options'] }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function report(error: ForebayError): void {
  process.stderr.write(`forebay: ${error.code}: ${error.message}\n`)
}
