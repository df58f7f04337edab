/** The queue's end of one database thread: numbers requests, matches replies, and knows when the thread has ended. */

import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ForebayError, messageOf } from '../../errors.ts'
import type { ClockReading, FromThread, Operation, Reply, ThreadData, ToThread } from './operations.ts'

interface Pending {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: ForebayError) => void
}

export interface ThreadEvents {
  /** Another process has changed the file. */
  readonly onChanged: () => void
  /** The thread is gone; nothing can be asked of it any more. */
  readonly onEnded: () => void
}

/** Beside this file, `.ts` from the sources and `.js` when built. */
const THREAD_FILE = new URL(`./database-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url)

export class DatabaseThreadHandle {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #events: ThreadEvents
  readonly #exited: Promise<void>
  #number = 0
  #failure: ForebayError | undefined
  /** Settles the opening; harmless after it. */
  #opened: (failure: ForebayError | undefined) => void = () => {}

  private constructor(data: ThreadData, events: ThreadEvents) {
    this.#events = events
    // The process's own flags (--eval, loaders, inspectors) are not meant for this thread.
    this.#worker = new Worker(THREAD_FILE, { workerData: data, name: 'forebay sqlite', execArgv: [] })
    this.#worker.on('message', (message: FromThread) => this.#hear(message))
    this.#worker.on('error', (thrown) => this.#fail(thrown))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#fail(new Error('it has ended'))
        resolve()
        this.#events.onEnded()
      })
    })
  }

  /** Starts the thread; rejects with what keeps the file from being opened. */
  static async start(data: ThreadData, events: ThreadEvents): Promise<DatabaseThreadHandle> {
    const handle = new DatabaseThreadHandle(data, events)
    const failure = await new Promise<ForebayError | undefined>((resolve) => {
      handle.#opened = resolve
    })
    if (failure) {
      await handle.#exited
      throw failure
    }
    handle.#worker.unref()
    return handle
  }

  run(queue: string, operation: Operation, at: ClockReading | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      const number = ++this.#number
      // While an answer is awaited the thread keeps the process alive; an idle one does not.
      if (this.#pending.size === 0) this.#worker.ref()
      this.#pending.set(number, { resolve, reject })
      this.#say({ request: { number, queue, operation, ...(at === undefined ? {} : { at }) } })
    })
  }

  makeDurable(): void {
    this.#say({ durability: 'full' })
  }

  /** Everything that was asked is answered first. */
  async close(): Promise<void> {
    this.#worker.ref()
    this.#say({ close: true })
    await this.#exited
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #hear(message: FromThread): void {
    if ('replies' in message) for (const reply of message.replies) this.#answer(reply)
    else if ('changed' in message) this.#events.onChanged()
    else if (message.opened === true) this.#opened(undefined)
    else this.#opened(new ForebayError(message.opened.code, message.opened.message))
  }

  #answer(reply: Reply): void {
    const pending = this.#pending.get(reply.number)
    this.#pending.delete(reply.number)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('error' in reply) pending?.reject(new ForebayError(reply.error.code, reply.error.message))
    else pending?.resolve(reply.result)
  }

  #fail(thrown: unknown): void {
    const message = `The database thread failed: ${messageOf(thrown)}. What was under way may or may not be stored.`
    this.#failure ??= new ForebayError('BACKEND_UNAVAILABLE', message, { cause: thrown })
    this.#opened(this.#failure)
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }
}
