/**
 * The one connection that listens for other processes' work, shared by all queues that this process has open on the database. It
 * may be cut at any time: then it is made anew, and until then who waits looks by itself. A connection whose other end is gone
 * without a word is found by asking it something every so often.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { fullJitter } from '../../flow/backoff.ts'
import type { RandomSource } from '../../random.ts'
import type { PgClient } from './driver.ts'

/** What came on a channel; undefined: something may have been missed. */
export type Heard = (message: string | undefined) => void

const BACKOFF = { baseMs: 100, capMs: 5_000 } as const
const BEAT_MS = 15_000
const LONGEST_END_MS = 1_000

export interface WorkListenerOptions {
  readonly connect: () => PgClient
  /** How long it may take to connect, or to answer. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly random: RandomSource
}

export class WorkListener {
  readonly #options: WorkListenerOptions
  readonly #channels = new Map<string, Set<Heard>>()
  #client: PgClient | undefined
  #isListening = false
  #failed = 0
  #closed = false
  #cancelTimer: CancelTimer | undefined

  constructor(options: WorkListenerOptions) {
    this.#options = options
  }

  /** Whether what others announce is heard. */
  get isListening(): boolean {
    return this.#isListening
  }

  /** Calls `heard` for each announcement on the channel; returns what ends that. */
  on(channel: string, heard: Heard): () => void {
    const all = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, all)
    all.add(heard)
    if (this.#client === undefined) this.#connect()
    else if (all.size === 1 && this.#isListening) void this.#listen(this.#client, [channel])
    return () => {
      all.delete(heard)
      if (all.size === 0 && this.#channels.get(channel) === all) this.#channels.delete(channel)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    const client = this.#client
    this.#client = undefined
    if (!client) return
    // The timer keeps the process alive, which the connection does not.
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(LONGEST_END_MS, resolve)
      const ended = () => {
        cancel()
        resolve()
      }
      client.end().then(ended, ended)
    })
  }

  #connect(): void {
    if (this.#closed || this.#client !== undefined) return
    const client = this.#options.connect()
    this.#client = client
    // A connection that is killed emits only this; one that ends in order only the other.
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    client.on('notification', ({ channel, payload = '' }) => this.#tell(channel, payload))
    void this.#begin(client)
  }

  async #begin(client: PgClient): Promise<void> {
    try {
      await this.#within(client, client.connect())
      client.unref()
      // Channels may be added meanwhile.
      for (let done = 0; done < this.#channels.size; ) {
        const channels = [...this.#channels.keys()]
        done = channels.length
        await this.#listen(client, channels)
      }
      if (this.#client !== client) return
      this.#isListening = true
      this.#failed = 0
      this.#tellAll()
      this.#beatLater(client)
    } catch {
      this.#lost(client)
    }
  }

  async #listen(client: PgClient, channels: readonly string[]): Promise<void> {
    const text = channels.map((channel) => `LISTEN "${channel}"`).join(';')
    try {
      await this.#within(client, client.query({ text }))
      for (const channel of channels) this.#tell(channel, undefined)
    } catch {
      this.#lost(client)
    }
  }

  #beatLater(client: PgClient): void {
    const beat = async () => {
      try {
        await this.#within(client, client.query({ text: 'SELECT 1' }))
        if (this.#client === client) this.#beatLater(client)
      } catch {
        this.#lost(client)
      }
    }
    this.#cancelTimer = this.#options.clock.after(BEAT_MS, () => void beat(), { background: true })
  }

  #lost(client: PgClient): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#cancelTimer?.()
    const wasListening = this.#isListening
    this.#isListening = false
    client.end().catch(() => {})
    if (this.#closed) return
    const { clock, random } = this.#options
    this.#cancelTimer = clock.after(fullJitter(++this.#failed, random.next(), BACKOFF), () => this.#connect(), {
      background: true,
    })
    // Who waits must look by itself from now on.
    if (wasListening) this.#tellAll()
  }

  #within<Result>(client: PgClient, work: Promise<Result>): Promise<Result> {
    const { clock, timeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const late = () => {
        this.#lost(client)
        reject(new Error('no answer'))
      }
      const cancel = clock.after(timeoutMs, late, { background: true })
      work.then(resolve, reject).finally(cancel)
    })
  }

  #tell(channel: string, message: string | undefined): void {
    for (const heard of [...(this.#channels.get(channel) ?? [])]) heard(message)
  }

  #tellAll(): void {
    for (const channel of [...this.#channels.keys()]) this.#tell(channel, undefined)
  }
}
