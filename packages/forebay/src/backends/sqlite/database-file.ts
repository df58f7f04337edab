/**
 * One file as this process uses it: one thread, shared by all queues that are opened on it, started anew should it end,
 * and closed when the last of them lets go.
 */

import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ForebayError } from '../../errors.ts'
import { DatabaseThreadHandle } from './database-thread-handle.ts'
import type { ClockReading, Operation, OperationName, Operations, ThreadData } from './operations.ts'

/** Told that there may be more to claim in a queue. */
export type WorkListener = () => void

const OLDEST_NODE = 22

const files = new Map<string, DatabaseFile>()

export class DatabaseFile {
  readonly #path: string
  #data: ThreadData
  #thread: Promise<DatabaseThreadHandle> | undefined
  #users = 0
  /** By queue. */
  readonly #listeners = new Map<string, Set<WorkListener>>()

  private constructor(path: string, data: ThreadData) {
    this.#path = path
    this.#data = data
  }

  /**
   * The file at `data.path`, opened; `release` it when done.
   *
   * @throws ForebayError whatever keeps it from being opened.
   */
  static async open(data: ThreadData): Promise<DatabaseFile> {
    checkNode()
    const path = realPath(data.path)
    const file = files.get(path) ?? new DatabaseFile(path, { ...data, path })
    files.set(path, file)
    file.#users++
    try {
      const thread = await file.#running()
      if (data.durability === 'full') file.#makeDurable(thread)
      return file
    } catch (thrown) {
      await file.release()
      throw thrown
    }
  }

  get path(): string {
    return this.#path
  }

  async run<Name extends OperationName>(
    queue: string,
    operation: Operation & { readonly name: Name },
    at: ClockReading | undefined,
  ): Promise<Operations[Name]['out']> {
    if (this.#users === 0) throw new ForebayError('QUEUE_CLOSED', 'The file was closed; nothing was done.')
    const thread = await this.#running()
    return (await thread.run(queue, operation, at)) as Operations[Name]['out']
  }

  /** Calls `listener` whenever this process or another may have put work into the queue; returns what ends that. */
  onWork(queue: string, listener: WorkListener): () => void {
    const listeners = this.#listeners.get(queue) ?? new Set()
    this.#listeners.set(queue, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(queue) === listeners) this.#listeners.delete(queue)
    }
  }

  /** Tells those who wait for work in the queue, except the one who knows already. */
  tellOfWork(queue: string, except?: WorkListener): void {
    for (const listener of [...(this.#listeners.get(queue) ?? [])]) if (listener !== except) listener()
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return
    files.delete(this.#path)
    const thread = await this.#thread?.catch(() => undefined)
    this.#listeners.clear()
    await thread?.close()
  }

  #running(): Promise<DatabaseThreadHandle> {
    this.#thread ??= this.#start()
    return this.#thread
  }

  #start(): Promise<DatabaseThreadHandle> {
    const tellAll = () => {
      for (const queue of [...this.#listeners.keys()]) this.tellOfWork(queue)
    }
    const onEnded = () => {
      if (this.#thread === started) this.#thread = undefined
      // Those who wait ask again, and so start a new one.
      tellAll()
    }
    const started = DatabaseThreadHandle.start(this.#data, { onChanged: tellAll, onEnded })
    return started
  }

  #makeDurable(thread: DatabaseThreadHandle): void {
    if (this.#data.durability === 'full') return
    this.#data = { ...this.#data, durability: 'full' }
    thread.makeDurable()
  }
}

/** The one name of a file that may be reached by several, and need not exist yet. */
function realPath(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    try {
      return join(realpathSync(dirname(absolute)), basename(absolute))
    } catch (thrown) {
      const message = `The folder of ${absolute} does not exist; nothing was made.`
      throw new ForebayError('BACKEND_UNAVAILABLE', message, { cause: thrown })
    }
  }
}

function checkNode(): void {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major >= OLDEST_NODE) return
  const message = `The sqlite backend needs Node ${OLDEST_NODE} or later; this is ${process.versions.node}.`
  throw new ForebayError('NODE_TOO_OLD', message)
}
