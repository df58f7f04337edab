/**
 * Reply desk: where callers wait for what becomes of their tasks. A queue is one-way; this is its way back.
 *
 * The consumer's events tell at once what this process has done. Other processes may share the queue: while somebody waits,
 * the backend is asked every `ASK_EVERY_MS` for the results that it keeps, one question for all who wait.
 */

import type { FoundTask } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { Answer } from './answer.ts'

/** What became of a task. A dead one has an answer if the target gave one and this process heard it. */
export type Reply =
  | { readonly state: 'completed'; readonly answer: Answer }
  | { readonly state: 'dead'; readonly message: string; readonly answer: Answer | undefined }
  | { readonly state: 'expired' }

const ASK_EVERY_MS = 250

interface Caller {
  readonly settle: (reply: Reply | undefined) => void
  lastAnswer: Answer | undefined
}

export class ReplyDesk {
  readonly #queue: LoadLevelingQueue
  readonly #clock: Clock
  /** By the tasks that they wait for: of one, several may wait. */
  readonly #callers = new Map<string, Set<Caller>>()
  #waiting = 0
  readonly #unsubscribe: (() => void)[]
  #cancelTimer: CancelTimer | undefined
  #closed = false

  constructor(queue: LoadLevelingQueue, consumer: LeveledConsumer, clock: Clock) {
    this.#queue = queue
    this.#clock = clock
    this.#unsubscribe = [
      consumer.on('completed', ({ task, result }) =>
        this.#reply(task.id, { state: 'completed', answer: result as Answer }),
      ),
      consumer.on('expired', ({ task }) => this.#reply(task.id, { state: 'expired' })),
      queue.on('expired', ({ task }) => this.#reply(task.id, { state: 'expired' })),
      consumer.on('dead', ({ task, failure }) => this.#replyDead(task.id, failure.message)),
    ]
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Waits for what becomes of a task; call it before the task is queued, so that nothing is missed.
   * @param signal Ends the wait early.
   * @returns Resolves with undefined if nothing became of it within `waitMs`, and never rejects.
   */
  wait(id: string, waitMs: number, signal: AbortSignal): Promise<Reply | undefined> {
    if (this.#closed || signal.aborted) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const cancel = this.#clock.after(waitMs, () => settle(undefined))
      const onAbort = () => settle(undefined)
      const settle = (reply: Reply | undefined) => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        this.#leave(id, caller)
        resolve(reply)
      }
      const caller: Caller = { settle, lastAnswer: undefined }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#join(id, caller)
      this.#askLater()
    })
  }

  /**
   * The same for a task that was queued a while ago: what is kept of it is told at once, and nothing is waited for if it is
   * not there any longer.
   */
  async waitAgain(id: string, waitMs: number, signal: AbortSignal): Promise<Reply | undefined> {
    const gone = new AbortController()
    const reply = this.wait(id, waitMs, AbortSignal.any([signal, gone.signal]))
    if (this.#queue.service.capabilities.find) {
      const found = await this.#queue.find(id).catch(() => 'unknown' as const)
      if (found === undefined) gone.abort()
      else if (found !== 'unknown') this.#replyFound(id, found)
    }
    return reply
  }

  /** An attempt's answer, before its outcome is stored. */
  noteAnswer(id: string, answer: Answer): void {
    for (const caller of this.#callers.get(id) ?? []) caller.lastAnswer = answer
  }

  /** Nobody waits any longer: all are answered that nothing is known yet. */
  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const callers of [...this.#callers.values()]) for (const { settle } of [...callers]) settle(undefined)
  }

  #join(id: string, caller: Caller): void {
    this.#waiting++
    const callers = this.#callers.get(id)
    if (callers) callers.add(caller)
    else this.#callers.set(id, new Set([caller]))
  }

  #leave(id: string, caller: Caller): void {
    const callers = this.#callers.get(id)
    if (!callers?.delete(caller)) return
    this.#waiting--
    if (callers.size === 0) this.#callers.delete(id)
  }

  #reply(id: string, reply: Reply): void {
    for (const { settle } of [...(this.#callers.get(id) ?? [])]) settle(reply)
  }

  #askLater(): void {
    const { sharedByProcesses, find } = this.#queue.service.capabilities
    if (this.#cancelTimer || this.#closed || !sharedByProcesses || !find) return
    this.#cancelTimer = this.#clock.after(ASK_EVERY_MS, () => void this.#ask(), { background: true })
  }

  async #ask(): Promise<void> {
    const ids = [...this.#callers.keys()]
    // A backend that does not answer is asked again; the wait's own end is the bound.
    const found = await this.#queue.service.find(ids).catch(() => [])
    this.#cancelTimer = undefined
    for (const [index, known] of found.entries()) if (known) this.#replyFound(ids[index] as string, known)
    if (this.#callers.size > 0) this.#askLater()
  }

  #replyFound(id: string, known: FoundTask): void {
    if (known.state === 'completed') this.#reply(id, { state: 'completed', answer: JSON.parse(known.result) as Answer })
    if (known.state === 'dead') this.#replyDead(id, known.task.failures.at(-1)?.message)
  }

  #replyDead(id: string, message = 'Its attempts are used up.'): void {
    for (const { settle, lastAnswer } of [...(this.#callers.get(id) ?? [])]) {
      settle({ state: 'dead', message, answer: lastAnswer })
    }
  }
}
