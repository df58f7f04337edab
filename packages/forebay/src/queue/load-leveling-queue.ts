/**
 * `LoadLevelingQueue`: the producer's side. It admits tasks, groups concurrent enqueues into one durable push, and always
 * tells the truth about each: accepted, duplicate, or refused with a code.
 */

import { openBackend, type OpenOptions } from '../backends/open-backend.ts'
import type {
  Bounds,
  DeadLetters,
  Depth,
  FoundTask,
  NewTask,
  PushResult,
  QueueService,
} from '../backends/queue-service.ts'
import type { SharedState } from '../backends/shared-state.ts'
import { type Clock, systemClock } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import { GroupCommit } from '../group-commit.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import type { TaskInput } from '../task.ts'
import { admit, type AdmissionRules } from './admission.ts'
import { FullQueue } from './full-queue.ts'
import { type Enqueued, QUEUE_DEFAULTS, type QueueEvents, type QueueOptions } from './options.ts'
import { newTaskId } from './task-id.ts'
import { type AnyTaskTypes, checkPayload, type InputOf, type TaskTypes } from './task-types.ts'

/** What became of each task of `enqueueMany`. */
export type EnqueueResult = Enqueued | { readonly status: 'refused'; readonly error: ForebayError }

interface Admitted {
  readonly task: NewTask
  readonly bounds: Bounds | undefined
}

export class LoadLevelingQueue<Types extends TaskTypes = AnyTaskTypes> {
  readonly name: string
  /** The backend: for a `LeveledConsumer`, and for what the queue itself does not offer. */
  readonly service: QueueService
  /** The schemas of the task types; undefined if any task is taken. */
  readonly types: Types | undefined
  readonly clock: Clock
  readonly #coordinator: QueueService | undefined
  readonly #random: RandomSource
  readonly #rules: AdmissionRules
  readonly #full: FullQueue
  readonly #events = new Emitter<QueueEvents>()
  readonly #pushes: GroupCommit<Admitted, PushResult>
  readonly #underWay = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  private constructor(service: QueueService, coordinator: QueueService | undefined, options: QueueOptions<Types>) {
    this.name = options.name ?? QUEUE_DEFAULTS.name
    this.service = service
    this.#coordinator = coordinator
    this.types = options.tasks
    this.clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#rules = {
      backend: service.backend,
      capabilities: service.capabilities,
      maxPayloadBytes: Math.min(
        options.maxPayloadBytes ?? QUEUE_DEFAULTS.maxPayloadBytes,
        service.capabilities.maxPayloadBytes,
      ),
      dedupWindowMs: options.dedupWindowMs ?? QUEUE_DEFAULTS.dedupWindowMs,
      now: () => this.clock.now(),
    }
    const { maxDepth, maxBytes } = options
    const bounds = { ...(maxDepth !== undefined && { maxDepth }), ...(maxBytes !== undefined && { maxBytes }) }
    this.#full = new FullQueue(service, bounds, this.clock, options.expectedPerSecond)
    this.#pushes = new GroupCommit((admitted) => this.#push(admitted))
  }

  /**
   * Opens a queue.
   * @param where A backend URL (`sqlite:orders.db`, `memory:`, ...) or a `QueueService` made by hand.
   * @throws ForebayError INVALID_OPTION, INVALID_URL, MISSING_PACKAGE or what the backend says (BACKEND_LOCKED, ...);
   * UNSUPPORTED if the coordinator has no atomic state either.
   */
  static async open<Types extends TaskTypes = AnyTaskTypes>(
    where: string | QueueService,
    options: QueueOptions<Types> = {},
  ): Promise<LoadLevelingQueue<Types>> {
    checkOptions(options)
    const { name = QUEUE_DEFAULTS.name, clock = systemClock, random = systemRandom } = options
    const opening = { queue: name, clock, random }
    const service = typeof where === 'string' ? await openBackend(where, opening) : where
    try {
      const coordinator = await openCoordinator(options.coordinator, opening)
      return new LoadLevelingQueue(service, coordinator, options)
    } catch (thrown) {
      if (service !== where) await service.close()
      throw thrown
    }
  }

  /**
   * Stores a task. Resolves when it is durable, as the backend's README says.
   * @throws ForebayError INVALID_TASK, INVALID_PAYLOAD, PAYLOAD_TOO_LARGE, QUEUE_FULL (with `retryAfterMs`), ... : then
   * nothing was stored; or BACKEND_UNAVAILABLE: then nobody knows, and the same `id` again makes no second task.
   */
  async enqueue(input: InputOf<Types>): Promise<Enqueued> {
    const [result] = await this.enqueueMany([input])
    if (result?.status === 'refused') throw result.error
    return result as Enqueued
  }

  /** Stores many tasks, each on its own merits, in order; resolves with what became of each. */
  enqueueMany(inputs: readonly InputOf<Types>[]): Promise<EnqueueResult[]> {
    const work = this.#enqueueMany(inputs)
    this.#underWay.add(work)
    return work.finally(() => this.#underWay.delete(work))
  }

  /** What all consumers keep together: the coordinator's, or else the backend's own; undefined if there is neither. */
  get shared(): SharedState | undefined {
    return (this.#coordinator ?? this.service).shared
  }

  /** How full the queue is. */
  depth(): Promise<Depth> {
    return this.service.depth()
  }

  /** What is known of a task: undefined once it is completed and no result is kept. Rejects with UNSUPPORTED where the backend cannot look up. */
  async find(id: string): Promise<FoundTask | undefined> {
    if (!this.service.capabilities.find) {
      throw new ForebayError('UNSUPPORTED', `The ${this.service.backend} backend cannot look up a task by its id.`)
    }
    const [found] = await this.service.find([id])
    return found
  }

  get dead(): DeadLetters {
    return this.service.dead
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof QueueEvents>(name: Name, listener: Listener<QueueEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Waits for enqueues that are under way, then lets go of the backend and the coordinator. Works twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.all(this.#underWay)
    await Promise.all([this.service.close(), this.#coordinator?.close()])
  }

  async #enqueueMany(inputs: readonly InputOf<Types>[]): Promise<EnqueueResult[]> {
    // All are admitted before the first is stored, so that a slow validator does not change their order.
    const admitted = await Promise.all(inputs.map((input) => this.#admit(input)))
    return Promise.all(inputs.map((input, index) => this.#store(input, admitted[index] as NewTask | ForebayError)))
  }

  async #admit(input: InputOf<Types>): Promise<NewTask | ForebayError> {
    try {
      if (this.#closed)
        throw new ForebayError('QUEUE_CLOSED', `Queue "${this.name}" is closed. The task was not stored.`)
      const task = admit(input, () => newTaskId(this.clock, this.#random), this.#rules)
      if (this.types) await checkPayload(this.types, input.type, input.payload)
      return task
    } catch (thrown) {
      return asForebayError(thrown)
    }
  }

  async #store(input: InputOf<Types>, task: NewTask | ForebayError): Promise<EnqueueResult> {
    if (task instanceof ForebayError) return this.#refused(input?.type, task)
    try {
      const result = await this.#pushes.add({ task, bounds: this.#full.boundsFor(input, task) })
      return this.#told(input, task, result)
    } catch (thrown) {
      return this.#refused(task.type, asForebayError(thrown, 'BACKEND_UNAVAILABLE'))
    }
  }

  #told(input: TaskInput, task: NewTask, result: PushResult): EnqueueResult {
    switch (result.status) {
      case 'accepted':
      case 'duplicate':
        this.#events.emit(result.status, { id: result.id, type: task.type })
        return result
      case 'full':
        return this.#refused(task.type, this.#full.refuse(input, task, result, this.name))
      case 'conflict': {
        const message = `The dedup id "${task.dedup?.id}" belongs to task ${result.id}, which differs. Nothing was stored.`
        return this.#refused(task.type, new ForebayError('DEDUP_CONFLICT', message, { path: 'dedupId' }))
      }
    }
  }

  #refused(type: string, error: ForebayError): EnqueueResult {
    this.#events.emit('refused', { type: String(type), code: error.code, retryAfterMs: error.retryAfterMs })
    return { status: 'refused', error }
  }

  /** One push for each set of bounds in the group: nearly always one, two while a waiting line stands. */
  async #push(admitted: readonly Admitted[]): Promise<PushResult[]> {
    const groups = new Map<number | undefined, number[]>()
    admitted.forEach(({ bounds }, index) => {
      const group = groups.get(bounds?.maxDepth)
      if (group) group.push(index)
      else groups.set(bounds?.maxDepth, [index])
    })
    const results = new Array<PushResult>(admitted.length)
    // Who was promised a place goes first.
    const widestFirst = [...groups].sort(([a = 0], [b = 0]) => b - a)
    for (const [, indexes] of widestFirst) {
      const tasks = indexes.map((index) => (admitted[index] as Admitted).task)
      const pushed = await this.service.push(tasks, (admitted[indexes[0] as number] as Admitted).bounds)
      indexes.forEach((index, position) => {
        results[index] = pushed[position] as PushResult
      })
    }
    return results
  }
}

async function openCoordinator(
  where: string | QueueService | undefined,
  opening: OpenOptions,
): Promise<QueueService | undefined> {
  const coordinator = typeof where === 'string' ? await openBackend(where, opening) : where
  if (!coordinator || coordinator.shared) return coordinator
  if (coordinator !== where) await coordinator.close()
  const message = `The ${coordinator.backend} backend can't coordinate: it has no atomic state. Use sqlite, redis or postgres.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'coordinator' })
}

function checkOptions(options: QueueOptions<TaskTypes>): void {
  const { name, maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs, expectedPerSecond } = options
  if (name !== undefined && !/^[A-Za-z0-9._-]{1,128}$/.test(name)) {
    throw new ForebayError(
      'INVALID_OPTION',
      `"${name}" is no queue name: letters, digits, ".", "_" and "-", at most 128.`,
      { path: 'name' },
    )
  }
  if (expectedPerSecond !== undefined && !(expectedPerSecond > 0)) {
    const message = `expectedPerSecond is a number above 0, not ${expectedPerSecond}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'expectedPerSecond' })
  }
  for (const [path, value] of Object.entries({ maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      throw new ForebayError('INVALID_OPTION', `${path} is a whole number of at least 1, not ${value}.`, { path })
    }
  }
}
