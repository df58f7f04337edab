/**
 * One queue at Cloud Tasks: its requests, one task each, so many at a time. What was surely refused for the moment is asked
 * for again, and what nobody knows the outcome of only where asking twice does no harm: reading, deleting, and creating
 * under a name.
 */

import type { CloudTasksClient, protos } from '@google-cloud/tasks'
import { type Clock, sleep } from '../../clock.ts'
import type { RandomSource } from '../../random.ts'
import { fitted, type Letter, letterOf, textOf } from '../task-letter.ts'
import { askedPauseMs, codeOf, fromCloudTasks, isRefusedForNow, isUncertain, STATUS } from './cloud-tasks-errors.ts'

export type Queue = protos.google.cloud.tasks.v2.IQueue
type Task = protos.google.cloud.tasks.v2.ITask

/** Where the tasks of a queue are delivered, and by whom. */
export interface Route {
  readonly url: string
  readonly deadlineMs: number
  /** Undefined: the deliveries carry no token. */
  readonly oidc: { readonly serviceAccount: string; readonly audience: string } | undefined
}

export interface CloudQueueOptions {
  readonly client: CloudTasksClient
  /** `projects/PROJECT/locations/LOCATION/queues/QUEUE` */
  readonly path: string
  readonly route: Route
  readonly maxTaskBytes: number
  readonly clock: Clock
  readonly random: RandomSource
}

/** A task as it is listed. */
export interface ListedTask {
  /** The last part of its name. */
  readonly name: string
  readonly dueAt: number
  readonly createdAt: number
  /** Whether a delivery of it is under way. */
  readonly dispatched: boolean
  /** What it holds; only where all of it was asked for, and empty if it is none of ours. */
  readonly body: string
}

export interface Listing {
  readonly tasks: readonly ListedTask[]
  /** Whether there are more than were listed. */
  readonly more: boolean
}

/** The header that tells the receiver how long a delivery may be held. */
export const DEADLINE_HEADER = 'x-forebay-deadline-ms'

const REQUESTS = 32
const TRIES = 4
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
const PAGE = 1_000

export class CloudQueue {
  readonly path: string
  readonly maxTaskBytes: number
  readonly #options: CloudQueueOptions
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(options: CloudQueueOptions) {
    this.#options = options
    this.path = options.path
    this.maxTaskBytes = options.maxTaskBytes
  }

  /** Undefined if there is none. */
  async get(): Promise<Queue | undefined> {
    try {
      const [queue] = await this.#ask((client, call) => client.getQueue({ name: this.path }, call), 'nothing was done.')
      return queue
    } catch (thrown) {
      if (codeOf((thrown as Error).cause) === STATUS.notFound) return undefined
      throw thrown
    }
  }

  /** If somebody else makes it at the same time, theirs is answered. */
  async make(settings: Omit<Queue, 'name'>): Promise<Queue> {
    const parent = this.path.replace(/\/queues\/[^/]*$/, '')
    const request = { parent, queue: { ...settings, name: this.path } }
    try {
      const [queue] = await this.#ask((client, call) => client.createQueue(request, call), 'the queue was not made.')
      return queue
    } catch (thrown) {
      const theirs = codeOf((thrown as Error).cause) === STATUS.alreadyExists ? await this.get() : undefined
      if (theirs) return theirs
      throw thrown
    }
  }

  /** @param paths Those of its settings that are to be changed. */
  async change(settings: Omit<Queue, 'name'>, paths: string[]): Promise<Queue> {
    const request = { queue: { ...settings, name: this.path }, updateMask: { paths } }
    const kept = 'its settings are as they were.'
    const [queue] = await this.#ask((client, call) => client.updateQueue(request, call), kept)
    return queue
  }

  async pause(): Promise<void> {
    await this.#ask(
      (client, call) => client.pauseQueue({ name: this.path }, call),
      'whether it is paused is not known.',
    )
  }

  async resume(): Promise<void> {
    await this.#ask((client, call) => client.resumeQueue({ name: this.path }, call), 'whether it goes on is not known.')
  }

  async purge(): Promise<void> {
    await this.#ask(
      (client, call) => client.purgeQueue({ name: this.path }, call),
      'what of it was deleted is not known.',
      false,
    )
  }

  /**
   * Stores a task. Answers its name, or undefined if there is one of that name, or was in the last hour.
   *
   * @param name Without one the service gives one, which it does faster.
   */
  async put(letter: Letter, dueAt: number | undefined, name?: string): Promise<string | undefined> {
    const request = { parent: this.path, task: this.#written(letter, dueAt, name) }
    try {
      const [task] = await this.#ask(
        (client, call) => client.createTask(request, call),
        name === undefined ? 'whether the task was stored is not known.' : 'the task may be stored.',
        name !== undefined,
      )
      return lastOf(task.name)
    } catch (thrown) {
      if (codeOf((thrown as Error).cause) === STATUS.alreadyExists) return undefined
      throw thrown
    }
  }

  /** Whether it was there. */
  async delete(name: string): Promise<boolean> {
    try {
      const request = { name: `${this.path}/tasks/${name}` }
      await this.#ask((client, call) => client.deleteTask(request, call), 'the task may be there still.')
      return true
    } catch (thrown) {
      if (codeOf((thrown as Error).cause) === STATUS.notFound) return false
      throw thrown
    }
  }

  /** What a task of that name holds; undefined if there is none. */
  async read(name: string): Promise<Letter | undefined> {
    try {
      const request = { name: `${this.path}/tasks/${name}`, responseView: 'FULL' } as const
      const [task] = await this.#ask((client, call) => client.getTask(request, call), 'nothing was done.')
      return letterOf(bodyOf(task))
    } catch (thrown) {
      if (codeOf((thrown as Error).cause) === STATUS.notFound) return undefined
      throw thrown
    }
  }

  /** The tasks that it holds, at most so many. @param whole With their bodies, which needs a permission of its own. */
  async list(most: number, whole = false): Promise<Listing> {
    const tasks: ListedTask[] = []
    let pageToken = ''
    do {
      const request = { parent: this.path, pageSize: PAGE, pageToken, responseView: whole ? 'FULL' : 'BASIC' } as const
      const [page, , answer] = await this.#ask(
        (client, call) => client.listTasks(request, { ...call, autoPaginate: false }),
        'nothing was done.',
      )
      tasks.push(...page.map(listed))
      pageToken = answer?.nextPageToken ?? ''
    } while (pageToken !== '' && tasks.length < most)
    return { tasks: tasks.slice(0, most), more: pageToken !== '' || tasks.length > most }
  }

  #written(letter: Letter, dueAt: number | undefined, name: string | undefined): Task {
    const { url, deadlineMs, oidc } = this.#options.route
    return {
      ...(name !== undefined && { name: `${this.path}/tasks/${name}` }),
      ...(dueAt !== undefined && { scheduleTime: spanOf(dueAt) }),
      dispatchDeadline: spanOf(deadlineMs),
      httpRequest: {
        url,
        httpMethod: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8', [DEADLINE_HEADER]: String(deadlineMs) },
        body: Buffer.from(textOf(fitted(letter, this.maxTaskBytes)), 'utf8'),
        ...(oidc && { oidcToken: { serviceAccountEmail: oidc.serviceAccount, audience: oidc.audience } }),
      },
    }
  }

  /** @param harmless Whether asking twice does no harm. */
  async #ask<Answer>(
    action: (client: CloudTasksClient, call: typeof CALL) => Promise<Answer>,
    kept: string,
    harmless = true,
  ): Promise<Answer> {
    const { client, clock, random } = this.#options
    if (this.#underWay >= REQUESTS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#underWay++
    try {
      for (let tried = 1; ; tried++) {
        try {
          return await action(client, CALL)
        } catch (thrown) {
          const again = isRefusedForNow(thrown) || (harmless && isUncertain(thrown))
          const asked = askedPauseMs(thrown) ?? 0
          // A longer pause is the caller's to make.
          if (!again || tried >= TRIES || asked > LONGEST_PAUSE_MS) throw fromCloudTasks(thrown, kept)
          const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 4 ** (tried - 1))
          await sleep(clock, asked + random.next() * backoff)
        }
      }
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }
}

/** The library tries again for ten minutes by itself; here it is done within seconds, or the caller is told. */
const CALL = { timeout: 10_000, retry: null } as unknown as { readonly timeout: number }

function listed(task: Task): ListedTask {
  const { name, scheduleTime, createTime, dispatchCount, responseCount } = task
  return {
    name: lastOf(name),
    dueAt: msOf(scheduleTime),
    createdAt: msOf(createTime),
    dispatched: (dispatchCount ?? 0) > (responseCount ?? 0),
    body: bodyOf(task),
  }
}

function bodyOf({ httpRequest }: Task): string {
  const body = httpRequest?.body ?? ''
  return typeof body === 'string' ? Buffer.from(body, 'base64').toString('utf8') : Buffer.from(body).toString('utf8')
}

/** Google's way to write a time or a span: seconds, and the rest in nanoseconds. */
function spanOf(ms: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.floor(ms / 1_000)
  return { seconds, nanos: Math.floor((ms - seconds * 1_000) * 1e3) * 1e3 }
}

function msOf(time: protos.google.protobuf.ITimestamp | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1_000 + Number(time?.nanos ?? 0) / 1e6
}

function lastOf(name: string | null | undefined): string {
  return (name ?? '').slice((name ?? '').lastIndexOf('/') + 1)
}
