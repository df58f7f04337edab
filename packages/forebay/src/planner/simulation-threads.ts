/**
 * Simulations in threads of their own: several at once where there are cores for them, while this thread hears signals and
 * shows progress.
 */

import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { asForebayError, type ErrorCode, ForebayError } from '../errors.ts'
import type { Simulation, SimulationOptions } from './simulation.ts'

/** As much of the options as can be sent to a thread. */
export type ThreadedOptions = Omit<SimulationOptions, 'task' | 'outcome' | 'signal' | 'onProgress'>

export type FromSimulation =
  | { readonly share: number }
  | { readonly simulation: Simulation }
  | { readonly failure: { readonly code: ErrorCode; readonly message: string } }

/** Beside this file, `.ts` from the sources and `.js` when built. */
const THREAD_FILE = new URL(`./simulation-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url)

/** Each holds the whole load in memory. */
const MOST_THREADS = 8

export interface SimulationThreadsOptions {
  /** Ends all of them; what was asked for rejects with its reason. */
  readonly signal?: AbortSignal
  /** Told the share that is done of all that was asked for so far, 0 to 1. */
  readonly onProgress?: (share: number) => void
}

export class SimulationThreads {
  readonly #options: SimulationThreadsOptions
  readonly #shares: number[] = []
  readonly #waiting: (() => void)[] = []
  #free = Math.min(availableParallelism(), MOST_THREADS)

  constructor(options: SimulationThreadsOptions = {}) {
    this.#options = options
  }

  /** As `simulate`, when a thread is free. */
  async simulate(options: ThreadedOptions): Promise<Simulation> {
    const place = this.#shares.push(0) - 1
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await this.#inThread(options, (share) => this.#tell(place, share))
    } finally {
      this.#tell(place, 1)
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }

  #tell(place: number, share: number): void {
    this.#shares[place] = share
    this.#options.onProgress?.(this.#shares.reduce((sum, one) => sum + one, 0) / this.#shares.length)
  }

  async #inThread(options: ThreadedOptions, onShare: (share: number) => void): Promise<Simulation> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    // The process's own flags (--eval, loaders, inspectors) are not meant for this thread.
    const worker = new Worker(THREAD_FILE, {
      workerData: options,
      name: 'forebay simulation',
      execArgv: [],
    })
    const end = () => void worker.terminate()
    signal?.addEventListener('abort', end, { once: true })
    try {
      return await new Promise<Simulation>((resolve, reject) => {
        worker.on('message', (message: FromSimulation) => {
          if ('share' in message) onShare(message.share)
          else if ('simulation' in message) resolve(message.simulation)
          else reject(new ForebayError(message.failure.code, message.failure.message))
        })
        worker.on('error', (thrown) => reject(asForebayError(thrown)))
        worker.on('exit', () =>
          reject(signal?.reason ?? new ForebayError('INTERNAL', 'The simulation ended by itself.')),
        )
      })
    } finally {
      signal?.removeEventListener('abort', end)
      await worker.terminate()
    }
  }
}
