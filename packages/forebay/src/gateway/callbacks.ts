/**
 * Callbacks: what became of a task, posted to the URL that its producer named. They are tasks themselves, in a durable
 * queue of their own (`<queue>.callbacks`), with retries and through the same guard as every call of the gateway.
 *
 * An outcome's callback is queued before the outcome is stored: a crash in between repeats the attempt and never loses the
 * callback. The dedup id makes one of the two that such a repeat would post.
 */

import { Agent } from 'undici'
import type { Clock } from '../clock.ts'
import type { HandlerContext } from '../consumer/handler.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { Outcome } from '../consumer/outcome.ts'
import { asForebayError, ForebayError, messageOf } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { QueueObserver } from '../queue/observer.ts'
import type { RandomSource } from '../random.ts'
import type { FailedAttempt, Task } from '../task.ts'
import { CALLBACK_HEADER } from './through-request.ts'
import type { TargetGuard } from './target-guard.ts'

/** What a callback's receiver gets, as JSON. */
export interface CallbackBody {
  readonly id: string
  readonly queue: string
  readonly state: 'completed' | 'dead' | 'expired'
  /** What the target answered. */
  readonly result?: unknown
  /** Why it is dead. */
  readonly failure?: Pick<FailedAttempt, 'code' | 'message'>
}

interface CallbackPayload {
  readonly url: string
  readonly body: CallbackBody
}

const LIMITS = { concurrency: 4, retry: { maxAttempts: 10, baseMs: 1_000, capMs: 300_000 }, timeoutMs: 30_000 }

/** An answer's body may be base64, and JSON escapes what it must: room for that, and for the headers. */
const PAYLOAD_BYTES_PER_REPLY_BYTE = 6
const PAYLOAD_BYTES_BESIDE = 131_072

export interface CallbackOptions {
  /** The queue that they belong to. */
  readonly queue: string
  readonly storage: string
  readonly guard: TargetGuard
  readonly clock: Clock
  readonly random: RandomSource
  readonly telemetry: QueueObserver
  readonly replyBytes: number
  /** Told when a callback could not be queued; its task is not harmed. */
  readonly onError: (error: ForebayError) => void
}

type Told = Pick<Task, 'id' | 'createdAt' | 'headers'>

type Handle = (task: Task, context: HandlerContext) => Promise<Outcome>

export class Callbacks {
  readonly #options: CallbackOptions
  readonly #queue: LoadLevelingQueue
  readonly #consumer: LeveledConsumer
  readonly #agent: Agent

  private constructor(options: CallbackOptions, queue: LoadLevelingQueue) {
    this.#options = options
    this.#queue = queue
    this.#agent = new Agent({ connect: options.guard.connector(), headersTimeout: 0, bodyTimeout: 0, pipelining: 1 })
    this.#consumer = new LeveledConsumer(
      queue,
      (task, { signal }) => this.#post(task.payload as CallbackPayload, signal),
      {
        ...LIMITS,
        random: options.random,
      },
    )
  }

  static async open(options: CallbackOptions): Promise<Callbacks> {
    const queue = await LoadLevelingQueue.open(options.storage, {
      name: `${options.queue}.callbacks`,
      clock: options.clock,
      random: options.random,
      telemetry: options.telemetry,
      maxPayloadBytes: options.replyBytes * PAYLOAD_BYTES_PER_REPLY_BYTE + PAYLOAD_BYTES_BESIDE,
    })
    return new Callbacks(options, queue)
  }

  start(): Promise<void> {
    return this.#consumer.start()
  }

  drain(graceMs: number): Promise<void> {
    return this.#consumer.stop({ graceMs })
  }

  async close(): Promise<void> {
    await this.#queue.close()
    await this.#agent.destroy()
  }

  /**
   * Judges a callback URL as far as that is possible without the network; its name is judged at each post.
   * @throws ForebayError INVALID_REQUEST or TARGET_REFUSED.
   */
  check(url: string): void {
    if (!URL.canParse(url)) {
      throw new ForebayError('INVALID_REQUEST', 'Forebay-Callback-Url is no URL. Nothing was queued.', {
        path: CALLBACK_HEADER,
      })
    }
    this.#options.guard.checkUrl(new URL(url))
  }

  /** Wraps a handler: what it decides for good is queued as a callback first. `maxAttempts` as the handler's consumer has it. */
  before(handle: Handle, maxAttempts: () => number): Handle {
    return async (task, context) => {
      const url = task.headers[CALLBACK_HEADER]
      if (url === undefined) return handle(task, context)
      try {
        const outcome = await handle(task, context)
        if (outcome.outcome === 'complete') await this.#add(url, task, { state: 'completed', result: outcome.result })
        if (outcome.outcome === 'dead') await this.#add(url, task, { state: 'dead', failure: refused(outcome.reason) })
        return outcome
      } catch (thrown) {
        const error = asForebayError(thrown)
        const last = context.attempt >= maxAttempts() && !stopping(context.signal)
        if (last) await this.#add(url, task, { state: 'dead', failure: { code: error.code, message: error.message } })
        throw thrown
      }
    }
  }

  /** Tells of tasks that ended without their handler: expired, or dead after their last attempt's process was lost. */
  follow(queue: LoadLevelingQueue, consumer: LeveledConsumer): void {
    const tell = (task: Told, body: Omit<CallbackBody, 'id' | 'queue'>) => {
      const url = task.headers[CALLBACK_HEADER]
      if (url !== undefined) this.#add(url, task, body).catch((thrown) => this.#options.onError(asForebayError(thrown)))
    }
    consumer.on('expired', ({ task }) => tell(task, { state: 'expired' }))
    queue.on('expired', ({ task }) => tell(task, { state: 'expired' }))
    consumer.on('dead', ({ task, failure: { code, message } }) =>
      tell(task, { state: 'dead', failure: { code, message } }),
    )
  }

  async #add(url: string, { id, createdAt }: Told, body: Omit<CallbackBody, 'id' | 'queue'>): Promise<void> {
    const payload: CallbackPayload = { url, body: { id, queue: this.#options.queue, ...body } }
    try {
      // A producer may use its id again for a later task. The words may differ between two that tell of one death: the first stands.
      await this.#queue.enqueue({ type: 'callback', payload, dedupId: `${body.state}:${createdAt}:${id}` })
    } catch (thrown) {
      if (!(thrown instanceof ForebayError && thrown.code === 'DEDUP_CONFLICT')) throw thrown
    }
  }

  async #post({ url, body }: CallbackPayload, signal: AbortSignal): Promise<void> {
    const { origin, pathname, search } = new URL(url)
    this.check(url)
    const headers = { 'content-type': 'application/json', 'forebay-task-id': encodeURIComponent(body.id) }
    let status: number
    try {
      const text = JSON.stringify(body)
      const response = await this.#agent.request({
        origin,
        path: `${pathname}${search}`,
        method: 'POST',
        headers,
        body: text,
        signal,
      })
      status = response.statusCode
      await response.body.dump({ limit: 65_536 })
    } catch (thrown) {
      if (thrown instanceof ForebayError) throw thrown
      throw new ForebayError('TARGET_FAILED', `The callback was not delivered: ${messageOf(thrown)}.`, {
        cause: thrown,
      })
    }
    if (status >= 300) throw new ForebayError('TARGET_FAILED', `The callback's receiver answered ${status}.`)
  }
}

function refused(message: string): Pick<FailedAttempt, 'code' | 'message'> {
  return { code: 'TARGET_FAILED', message }
}

/** A stop gives the task back whatever the handler throws, so it is not dead. */
function stopping(signal: AbortSignal): boolean {
  return signal.aborted && asForebayError(signal.reason).code === 'QUEUE_CLOSED'
}
