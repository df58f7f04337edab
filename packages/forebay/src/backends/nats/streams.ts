/** The streams and consumers of a queue: made where they are missing, and checked where they are there. */

import { ForebayError } from '../../errors.ts'
import type { RandomSource } from '../../random.ts'
import type { JetStream } from './jetstream.ts'
import { JetStreamError } from './nats-errors.ts'
import { LATER, type QueueNames, READY } from './queue-names.ts'

/** How long marks are kept (grants, dedup ids, results): so the longest lease, window and time of a result. */
export const MARKS_LAST_MS = 7 * 24 * 3_600_000

/** A delivery that nobody says anything about is made again after this. It is no lease: that is written down. */
const ACK_WAIT_MS = 5_000

/** Calls for messages that may wait at one consumer: one for each waiting claim, of all processes. */
const MOST_CALLS = 4_096

const NS_PER_MS = 1e6
const SUBJECTS_OVERLAP = 10065
const NAME_TAKEN = 10058
const NO_STREAM = 10059

/** Tasks are removed one by one; nothing else may remove one. */
interface StreamConfig {
  readonly name: string
  readonly subjects: readonly string[]
  readonly retention: 'limits'
  readonly storage: 'file'
  readonly discard: 'new' | 'old'
  readonly max_msgs_per_subject: number
  readonly max_age: number
  readonly num_replicas: number
  readonly allow_direct: boolean
  readonly duplicate_window?: number
}

export interface StreamInfo {
  readonly config: StreamConfig
  readonly created: string
  readonly state: {
    readonly bytes: number
    readonly last_seq: number
    readonly num_subjects?: number
  }
}

export interface ConsumerInfo {
  readonly num_ack_pending: number
  readonly num_pending: number
  readonly delivered: { readonly stream_seq: number }
  readonly ack_floor: { readonly stream_seq: number }
}

/** The stream of the tasks, as it was found. */
export interface TasksStream {
  readonly name: string
  readonly era: string
  readonly replicas: number
  /** When it was found. */
  readonly lastSequence: number
}

export class Streams {
  readonly names: QueueNames
  readonly #jetstream: JetStream
  readonly #random: RandomSource
  readonly #replicas: number

  constructor(jetstream: JetStream, names: QueueNames, random: RandomSource, replicas: number) {
    this.names = names
    this.#jetstream = jetstream
    this.#random = random
    this.#replicas = replicas
  }

  /**
   * Finds or makes everything.
   * @throws ForebayError `UNSUPPORTED` if a stream is there, and so configured that it could lose tasks.
   */
  async ensure(): Promise<TasksStream> {
    const { names } = this
    const one = { ...this.#common, max_msgs_per_subject: 1 }
    const [tasks] = await Promise.all([
      this.#ensureTasks(),
      this.#ensureStream({ ...one, name: names.laterStream, subjects: [names.allLater] }),
      this.#ensureStream({ ...one, name: names.deadStream, subjects: [names.allDead] }),
      this.#ensureStream({
        ...one,
        name: names.marksStream,
        subjects: names.allMarks,
        max_age: MARKS_LAST_MS * NS_PER_MS,
      }),
    ])
    await Promise.all([this.#ensureConsumer(tasks.name, READY), this.#ensureConsumer(names.laterStream, LATER)])
    return tasks
  }

  info(stream: string): Promise<StreamInfo> {
    return this.#jetstream.api(`STREAM.INFO.${stream}`)
  }

  consumerInfo(stream: string, consumer: string): Promise<ConsumerInfo> {
    return this.#jetstream.api(`CONSUMER.INFO.${stream}.${consumer}`)
  }

  get #common() {
    const replicas = this.#replicas
    const kept = { retention: 'limits', storage: 'file', discard: 'new', max_age: 0 } as const
    return { ...kept, num_replicas: replicas, allow_direct: true } as const
  }

  async #ensureTasks(): Promise<TasksStream> {
    const subject = this.names.allTasks
    for (;;) {
      const { streams } = await this.#jetstream.api<{ streams: readonly string[] | null }>('STREAM.NAMES', { subject })
      const [name] = streams ?? []
      if (name !== undefined) return this.#checked(await this.info(name))
      const salt = Buffer.from(this.#random.bytes(4)).toString('hex')
      // Versions of one task stand side by side until the older one is removed.
      const config = {
        ...this.#common,
        name: this.names.tasksStream(salt),
        subjects: [subject],
        max_msgs_per_subject: -1,
      }
      try {
        return this.#checked(await this.#create(config))
      } catch (thrown) {
        // Another process was faster.
        if (!(thrown instanceof JetStreamError && thrown.number === SUBJECTS_OVERLAP)) throw thrown
      }
    }
  }

  async #ensureStream(config: StreamConfig): Promise<void> {
    try {
      this.#checked(await this.info(config.name), config)
    } catch (thrown) {
      if (!(thrown instanceof JetStreamError && thrown.number === NO_STREAM)) throw thrown
      await this.#create(config).catch(async (refused: unknown) => {
        if (!(refused instanceof JetStreamError && refused.number === NAME_TAKEN)) throw refused
        this.#checked(await this.info(config.name), config)
      })
    }
  }

  #create(config: StreamConfig): Promise<StreamInfo> {
    return this.#jetstream.api(`STREAM.CREATE.${config.name}`, config)
  }

  #checked({ config, created, state }: StreamInfo, wanted?: StreamConfig): TasksStream {
    const { name, num_replicas: replicas } = config
    const faults = [
      config.retention !== 'limits' && `its retention is "${config.retention}" and must be "limits"`,
      config.discard !== 'new' && `its discard is "${config.discard}" and must be "new"`,
      config.max_age !== (wanted?.max_age ?? 0) &&
        `its max_age is ${config.max_age} and must be ${wanted?.max_age ?? 0}`,
      config.max_msgs_per_subject !== (wanted?.max_msgs_per_subject ?? -1) &&
        `its max_msgs_per_subject is ${config.max_msgs_per_subject} and must be ${wanted?.max_msgs_per_subject ?? -1}`,
      !config.allow_direct && 'its allow_direct is off and must be on',
    ].filter((fault) => fault !== false)
    if (faults.length > 0) {
      const message = `The stream ${name} can't keep the queue's tasks: ${faults.join(', ')}. Nothing was done.`
      throw new ForebayError('UNSUPPORTED', message)
    }
    return { name, era: BigInt(created.replace(/\D/g, '')).toString(36), replicas, lastSequence: state.last_seq }
  }

  async #ensureConsumer(stream: string, consumer: string): Promise<void> {
    const config = {
      durable_name: consumer,
      ack_policy: 'explicit',
      deliver_policy: 'all',
      replay_policy: 'instant',
      ack_wait: ACK_WAIT_MS * NS_PER_MS,
      max_deliver: -1,
      max_ack_pending: -1,
      max_waiting: MOST_CALLS,
    }
    const body = { stream_name: stream, config }
    try {
      await this.#jetstream.api(`CONSUMER.DURABLE.CREATE.${stream}.${consumer}`, body)
    } catch (thrown) {
      if (!(thrown instanceof JetStreamError) || thrown.number === NO_STREAM) throw thrown
      const message = `The consumer ${consumer} of the stream ${stream} is configured otherwise: ${thrown.message}. Delete it; it will be made anew, and no task is lost.`
      throw new ForebayError('UNSUPPORTED', message, { cause: thrown })
    }
  }
}
