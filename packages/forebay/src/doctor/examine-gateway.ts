/**
 * Looks at the queues of a running gateway by what it shows to everybody who may read it: its queues, the figures of the last five
 * minutes, dead letters, and its metrics where it has them. It changes nothing.
 */

import { request } from 'undici'
import { type Clock, sleep } from '../clock.ts'
import { DEFAULT_LEASE_MS } from '../consumer/options.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { LETTERS_READ, type Watch } from './examine-backend.ts'
import { metricsOf } from './metrics-text.ts'
import type { ConsumerSeen, DeadLetterSeen, DepthSeen, FlowSeen, QueueSnapshot } from './snapshot.ts'

/** As much as is read of `GET /v1/queues`. */
interface QueueView {
  readonly name: string
  readonly state: string
  readonly standsStill: { readonly reason?: string } | null
  readonly limits: {
    readonly rate: { readonly perSecond: number | null }
    readonly concurrency: number
    readonly maxDepth?: number
  }
  readonly effectiveRate: { readonly perSecond: number | null; readonly boundBy: string }
}

/** As much as is read of `GET /v1/live`. */
interface LiveSample {
  readonly at: number
  readonly queues: readonly {
    readonly name: string
    readonly depth: Omit<DepthSeen, 'oldestReadyAgeMs'> | null
    readonly oldestReadyAgeMs: number | null
    readonly totals: Readonly<
      Record<'accepted' | 'refused' | 'started' | 'completed' | 'retried' | 'dead' | 'expired' | 'dropped', number>
    >
  }[]
}

/** Longer than a gateway takes that can answer at all. */
const LONGEST_ANSWER_MS = 10_000

export interface GatewayTarget {
  /** Its address, or that of one of its queues: `http://HOST/v1/queues/NAME`. */
  readonly url: URL
  readonly token: string | undefined
}

/** @throws ForebayError BACKEND_UNAVAILABLE if it is no gateway, or does not answer. */
export async function examineGateway(target: GatewayTarget, watch: Watch): Promise<QueueSnapshot[]> {
  const caller = new Caller(target, watch.clock)
  const only = /^\/v1\/queues\/([^/]+)/.exec(target.url.pathname)?.[1]
  const { queues } = await caller.json<{ queues: readonly QueueView[] }>('/v1/queues')
  const samples = await watched(caller, watch)
  const metrics = await caller.text('/metrics').catch(() => '')
  const chosen = queues.filter(({ name }) => only === undefined || name === only)
  if (chosen.length === 0) throw new ForebayError('UNKNOWN_QUEUE', `${target.url.origin} has no queue "${only}".`)
  return Promise.all(chosen.map((view) => snapshotOf(view, samples, metrics, caller)))
}

/** The last five minutes, or as much as there is after the watch. */
async function watched(caller: Caller, { watchMs, clock, signal }: Watch): Promise<readonly LiveSample[]> {
  const samples = await caller.history()
  const missing = watchMs - spanOf(samples)
  if (missing <= 0) return samples
  // A second more, so that the last sample is there.
  await sleep(clock, missing + 1_000, signal)
  return caller.history()
}

function spanOf(samples: readonly LiveSample[]): number {
  return (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)
}

async function snapshotOf(
  view: QueueView,
  samples: readonly LiveSample[],
  metrics: string,
  caller: Caller,
): Promise<QueueSnapshot> {
  const { name } = view
  const { items } = await caller.json<{ items: readonly DeadLetterSeen[] }>(
    `/v1/queues/${encodeURIComponent(name)}/dead?limit=${LETTERS_READ}`,
  )
  const seen = samples.flatMap(({ at, queues }) =>
    queues.filter((one) => one.name === name).map((one) => ({ at, ...one })),
  )
  const withDepth = seen.filter(({ depth }) => depth !== null)
  const [first, last] = [withDepth[0], withDepth.at(-1)]
  if (!first || !last) {
    throw new ForebayError(
      'BACKEND_UNAVAILABLE',
      `The gateway has no figures of queue "${name}": its backend does not answer.`,
    )
  }
  return {
    name,
    watchedMs: last.at - first.at,
    depth: depthOf(last),
    depthBefore: depthOf(first),
    flow: flowBetween(first, last),
    consumer: consumerOf(view),
    ...metricsOf(metrics, name),
    deadLetters: items,
    clock: caller.clockSeen,
  }
}

type Seen = LiveSample['queues'][number] & { readonly at: number }

function depthOf({ depth, oldestReadyAgeMs }: Seen): DepthSeen {
  return { ...(depth as NonNullable<Seen['depth']>), oldestReadyAgeMs: oldestReadyAgeMs ?? undefined }
}

function flowBetween(first: Seen, last: Seen): FlowSeen {
  const seconds = (last.at - first.at) / 1_000
  const rate = (...flows: readonly (keyof Seen['totals'])[]) =>
    seconds > 0 ? flows.reduce((sum, flow) => sum + last.totals[flow] - first.totals[flow], 0) / seconds : undefined
  return {
    arrived: rate('accepted'),
    started: rate('started'),
    ended: rate('completed', 'dead', 'expired', 'dropped'),
    retried: rate('retried'),
    refused: rate('refused'),
  }
}

function consumerOf({ state, standsStill, limits, effectiveRate }: QueueView): ConsumerSeen {
  return {
    state,
    standsStill: standsStill ? (standsStill.reason ?? 'its breaker is open') : undefined,
    ratePerSecond: limits.rate.perSecond ?? undefined,
    effectivePerSecond: effectiveRate.perSecond ?? undefined,
    boundBy: effectiveRate.boundBy,
    concurrency: limits.concurrency,
    // A gateway's leases are as long as anybody's who does not say otherwise.
    leaseMs: DEFAULT_LEASE_MS,
    maxDepth: limits.maxDepth,
  }
}

class Caller {
  readonly #target: GatewayTarget
  readonly #clock: Clock
  clockSeen: QueueSnapshot['clock']

  constructor(target: GatewayTarget, clock: Clock) {
    this.#target = target
    this.#clock = clock
  }

  async text(path: string): Promise<string> {
    const body = await this.#get(path)
    return body.text()
  }

  async json<Body>(path: string): Promise<Body> {
    const text = await this.text(path)
    try {
      return Object(JSON.parse(text)) as Body
    } catch {
      throw this.#failed('does not answer as a gateway does; give the address that `forebay serve` prints')
    }
  }

  /** The first event of the live figures. */
  async history(): Promise<readonly LiveSample[]> {
    const body = await this.#get('/v1/live')
    let text = ''
    for await (const chunk of body) {
      text += String(chunk)
      if (text.includes('\n\n')) break
    }
    const data = /^data: (.*)$/m.exec(text)?.[1]
    if (data === undefined) throw this.#failed('ended its live figures before the first')
    return (JSON.parse(data) as { samples: readonly LiveSample[] }).samples
  }

  async #get(path: string) {
    const { url, token } = this.#target
    const asked = this.#clock.now()
    const response = await request(new URL(path, url.origin), {
      headersTimeout: LONGEST_ANSWER_MS,
      bodyTimeout: LONGEST_ANSWER_MS,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    }).catch((thrown: unknown) => {
      throw this.#failed(`does not answer: ${messageOf(thrown)}`)
    })
    this.#noteClock(response.headers.date, asked)
    if (response.statusCode === 200) return response.body
    await response.body.dump()
    if (response.statusCode === 401)
      throw new ForebayError('UNAUTHORIZED', `${url.origin} wants a token: give --token.`)
    throw this.#failed(`answers ${path} with ${response.statusCode}; give the address that \`forebay serve\` prints`)
  }

  /** Its date is of the whole second in which it answered, between our question and now. */
  #noteClock(date: unknown, asked: number): void {
    const at = typeof date === 'string' ? Date.parse(date) : Number.NaN
    if (Number.isNaN(at)) return
    const now = this.#clock.now()
    this.clockSeen = { aheadMs: at + 500 - (asked + now) / 2, uncertainMs: 500 + (now - asked) / 2 }
  }

  #failed(why: string): ForebayError {
    return new ForebayError('BACKEND_UNAVAILABLE', `${this.#target.url.origin} ${why}.`)
  }
}
