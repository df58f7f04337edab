/** The `redis:` backend: a queue in sorted sets that Lua scripts keep, behind the port. */

import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { Step } from '../../flow/shared-steps.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { TaskId } from '../../task.ts'
import { BusyPoll } from '../busy-poll.ts'
import { UnderWay } from '../../under-way.ts'
import type {
  Bounds,
  Capabilities,
  Claim,
  ClaimRef,
  ClaimRequest,
  DeadLetters,
  Depth,
  ExtendResult,
  FoundTask,
  NewTask,
  Newcomer,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import type { Applied, SharedState } from '../shared-state.ts'
import { applyToCell } from './cells.ts'
import { Claiming } from './claiming.ts'
import { Connection } from './connection.ts'
import { listDead, takeDead } from './dead-letters.ts'
import { depth, find } from './looking.ts'
import { Pushing } from './pushing.ts'
import { clientsLike, clientsOf, type RedisClient } from './redis-clients.ts'
import { PARK_MS, RedisClaims } from './redis-claims.ts'
import type { RunScript } from './script.ts'
import { DEFAULT_PREFIX, keyOf } from './queue-keys.ts'
import { parseRedisUrl, type RedisAddress } from './redis-url.ts'
import { checkServer } from './server-check.ts'
import { extend, settle } from './settling.ts'
import { WakeReader } from './wake-reader.ts'

const TIMEOUT_MS = 5_000

export interface RedisOptions {
  /** `redis://` or `rediss://`; or else a client. */
  readonly url?: string
  /** A client of ioredis, `Redis` or `Cluster`: connections like its own are made, and it is left alone. */
  readonly client?: RedisClient
  /** Default `default`. One server holds many queues. */
  readonly queue?: string
  /** What all keys begin with. Default: what the URL says, else `forebay`. */
  readonly prefix?: string
  /** How long a call may take, the wait for a connection included, milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** Default: the system's. Due times and leases are by the server's clock all the same. */
  readonly clock?: Clock
  /** Default: the system's. */
  readonly random?: RandomSource
}

/**
 * Opens a queue on a Redis server (6.2 or later), a Valkey server, or a cluster of them.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE` (it can't be reached), `UNSUPPORTED` (it is too old, or it evicts keys),
 * `INVALID_URL`, `INVALID_OPTION`, `MISSING_PACKAGE`.
 */
export async function openRedis(options: RedisOptions): Promise<RedisQueueService> {
  const { url, client, clock = systemClock, random = systemRandom, timeoutMs = TIMEOUT_MS } = options
  if ((url === undefined) === (client === undefined)) {
    throw new ForebayError('INVALID_OPTION', 'Opening a queue on Redis takes either a url or a client.')
  }
  const address = url === undefined ? undefined : parseRedisUrl(url)
  const make = client ? clientsLike(client, random) : await clientsOf(address as RedisAddress, random)
  const key = keyOf(options.prefix ?? address?.prefix ?? DEFAULT_PREFIX, options.queue ?? 'default')
  const commands = new Connection(make(), clock, timeoutMs)
  // Connects when the first claim waits: who only pushes has one connection.
  const words = new Connection(make(), clock, timeoutMs)
  try {
    await commands.open()
    const durability = await checkServer(commands)
    return new RedisQueueService({ commands, words, key, durability, clock, random })
  } catch (thrown) {
    commands.drop()
    words.drop()
    throw thrown
  }
}

interface Opened {
  readonly commands: Connection
  readonly words: Connection
  readonly key: string
  readonly durability: Capabilities['durability']
  readonly clock: Clock
  readonly random: RandomSource
}

/** Made by `openRedis`. */
export class RedisQueueService implements QueueService {
  readonly backend = 'redis'
  readonly capabilities: Capabilities
  readonly #commands: Connection
  readonly #words: Connection
  readonly #run: RunScript
  readonly #pushing: Pushing
  readonly #awake: BusyPoll
  readonly #claims: RedisClaims
  readonly #underWay = new UnderWay()
  #closing: Promise<void> | undefined

  constructor({ commands, words, key, durability, clock, random }: Opened) {
    this.capabilities = capabilitiesOf(durability, 'nodes' in commands.client)
    this.#commands = commands
    this.#words = words
    this.#run = (script, args) => commands.run(script, key, args)
    this.#pushing = new Pushing(this.#run)
    this.#awake = new BusyPoll({ clock })
    const claiming = new Claiming(this.#run, random)
    const reader = new WakeReader(words, clock, {
      key,
      blockMs: PARK_MS,
      onWord: (told) => this.#claims.hear(told),
    })
    this.#claims = new RedisClaims(clock, {
      ask: (requests, parks) => claiming.ask(requests, parks),
      listen: () => void reader.listen(),
      passOn: () => void passOn(commands, key),
    })
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    return this.#act(() => {
      if (transaction === undefined) return this.#awake.answerOf(() => this.#pushing.push(tasks, bounds))
      throw new ForebayError('UNSUPPORTED', 'The redis backend cannot push within a transaction; nothing was stored.')
    })
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#act(() => this.#claims.claim(request))
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#act((run) => settle(run, settlements))
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#act((run) => extend(run, claims, leaseMs))
  }

  depth(newcomer?: Newcomer): Promise<Depth> {
    return this.#act((run) => depth(run, newcomer))
  }

  find(ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#act((run) => find(run, ids))
  }

  readonly shared: SharedState = {
    apply: <S extends Step>(cell: string, step: S): Promise<Applied<S>> =>
      this.#act((run) => applyToCell(run, cell, step)),
  }

  readonly dead: DeadLetters = {
    list: ({ limit, after }) => this.#act((run) => listDead(run, limit, after)),
    redrive: (which) => this.#act((run) => takeDead(run, 'redrive', which)),
    drop: (which) => this.#act((run) => takeDead(run, 'drop', which)),
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#claims.end()
    this.#words.drop()
    this.#commands.waitNoMore()
    await this.#underWay.idle()
    this.#commands.drop()
  }

  /** What is under way when the queue is closed is still done. */
  async #act<Result>(action: (run: RunScript) => Promise<Result>): Promise<Result> {
    if (this.#closing) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
    this.#underWay.begin()
    try {
      return await action(this.#run)
    } finally {
      this.#underWay.end()
    }
  }
}

/** A word that came to us, while nobody waits here any more. A lost one is made up for: those who wait ask again by themselves. */
async function passOn(commands: Connection, key: string): Promise<void> {
  await commands.ask((client) => client.xadd(`${key}:wake`, 'MAXLEN', 1, '*', 'w', '')).catch(() => {})
}

/** As admission has it: 100 years, which microseconds of queue time can count exactly. */
const LONGEST_SPAN_MS = 100 * 365 * 24 * 3_600_000

export function capabilitiesOf(durability: Capabilities['durability'], isCluster = false): Capabilities {
  return {
    durability,
    sharedByProcesses: true,
    bounds: 'exact',
    maxPayloadBytes: 64 * 1024 * 1024,
    maxDelayMs: LONGEST_SPAN_MS,
    maxLeaseMs: LONGEST_SPAN_MS,
    leases: 'timed',
    uniqueIds: true,
    // A node of a cluster that has given the queue away is asked anew, which takes one longer than another.
    pushesInOrder: !isCluster,
    priority: 'aged',
    keyOrder: true,
    fairness: true,
    keyLimits: true,
    eviction: true,
    ahead: true,
    transactions: false,
    maxDedupWindowMs: LONGEST_SPAN_MS,
    find: true,
    results: true,
    failures: true,
    wake: 'event',
  }
}
