/**
 * Makes the clients of the library, all with the same rules: nothing is queued or repeated behind our back, so that a call
 * that was rejected was rejected, and a lost connection is made anew for ever.
 */

import type { Cluster, Redis } from 'ioredis'
import { ForebayError, messageOf } from '../../errors.ts'
import { fullJitter } from '../../flow/backoff.ts'
import type { RandomSource } from '../../random.ts'
import type { RedisAddress } from './redis-url.ts'

export type RedisClient = Redis | Cluster

/** A new client, not yet connected. */
export type MakeClient = () => RedisClient

const RECONNECT = { baseMs: 50, capMs: 1_000 } as const

const CONNECT_TIMEOUT_MS = 3_000

/** After it a connection that the other side does not close is closed by force. */
const DISCONNECT_TIMEOUT_MS = 100

function retryStrategy(random: RandomSource): (times: number) => number {
  return (times) => Math.ceil(fullJitter(times, random.next(), RECONNECT))
}

/** The rules for every connection, also to a cluster's nodes. */
const RULES = {
  autoResendUnfulfilledCommands: false,
  // What is in flight when the connection goes is rejected at once.
  maxRetriesPerRequest: 0,
  reconnectOnError: null,
  enableReadyCheck: true,
  enableAutoPipelining: false,
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  commandTimeout: undefined,
  socketTimeout: undefined,
  keepAlive: 10_000,
  noDelay: true,
  stringNumbers: false,
  // The same shapes by both protocols.
  replyMapping: 'legacy',
} as const

function optionsOf(random: RandomSource) {
  return { ...RULES, lazyConnect: true, enableOfflineQueue: false, retryStrategy: retryStrategy(random) }
}

function clusterOptionsOf(random: RandomSource) {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy(random),
    // A command that was perhaps done is not repeated.
    retryDelayOnFailover: 0,
    scaleReads: 'master',
    redisOptions: RULES,
  } as const
}

/** @throws ForebayError `MISSING_PACKAGE` */
export async function clientsOf({ url, cluster }: RedisAddress, random: RandomSource): Promise<MakeClient> {
  const { Cluster, Redis } = await loadLibrary()
  if (!cluster) return () => new Redis(url, optionsOf(random))
  const { hostname, port, username, password, protocol } = new URL(url)
  const options = clusterOptionsOf(random)
  const redisOptions = {
    ...options.redisOptions,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
  const node = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) }
  return () => new Cluster([node], { ...options, redisOptions })
}

/** Clients that connect as a given one does, but by our rules; the given one is left alone. */
export function clientsLike(client: RedisClient, random: RandomSource): MakeClient {
  if ('nodes' in client) return () => client.duplicate([], clusterOptionsOf(random))
  return () => client.duplicate(optionsOf(random))
}

async function loadLibrary() {
  try {
    return await import('ioredis')
  } catch (thrown) {
    const message = `The redis backend needs the package ioredis: npm install ioredis (${messageOf(thrown)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}
