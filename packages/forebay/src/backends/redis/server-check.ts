/** What a server promises, and whether a queue may be kept there at all. Asked once, when the queue is opened. */

import { ForebayError } from '../../errors.ts'
import type { Capabilities } from '../queue-service.ts'
import type { Connection } from './connection.ts'
import type { RedisClient } from './redis-clients.ts'

/** XAUTOCLAIM's release: what came before lacks parts of the streams that we rely on, and is out of support. */
const OLDEST = [6, 2] as const

/**
 * @returns What an acknowledged push survives: `disk` where the server syncs its log before each answer; else, and where it
 * does not say, `process`.
 * @throws ForebayError `UNSUPPORTED` if the server evicts keys, or is too old.
 */
export async function checkServer(connection: Connection): Promise<Capabilities['durability']> {
  const { client } = connection
  // Any of a cluster's masters may be given the queue some day.
  const nodes: readonly RedisClient[] = 'nodes' in client ? client.nodes('master') : [client]
  const found = await Promise.all(nodes.map((node) => connection.ask(() => checkNode(node))))
  return found.every((durability) => durability === 'disk') ? 'disk' : 'process'
}

async function checkNode(node: RedisClient): Promise<Capabilities['durability']> {
  const info = parseInfo(await unlessForbidden(node.info()))
  checkVersion(info)
  checkEviction(info.get('maxmemory_policy') ?? (await setting(node, 'maxmemory-policy')))
  const synced =
    (await setting(node, 'appendonly')) === 'yes' &&
    (await setting(node, 'appendfsync')) === 'always' &&
    (await setting(node, 'no-appendfsync-on-rewrite')) === 'no'
  return synced ? 'disk' : 'process'
}

function checkVersion(info: ReadonlyMap<string, string>): void {
  const version = info.get('redis_version')
  if (version === undefined) return
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  const message = `The Redis server has version ${version}; the redis backend needs ${OLDEST.join('.')} or later.`
  throw new ForebayError('UNSUPPORTED', message)
}

function checkEviction(policy: string | undefined): void {
  if (policy === undefined || policy === 'noeviction') return
  const message =
    `The Redis server evicts keys when its memory is full (maxmemory-policy ${policy}), and would drop queued tasks or ` +
    'forget dedup ids. Set its maxmemory-policy to noeviction, or use another server. Nothing was stored.'
  throw new ForebayError('UNSUPPORTED', message)
}

/** Undefined where CONFIG is forbidden, as most hosted servers do. */
async function setting(node: RedisClient, name: string): Promise<string | undefined> {
  const reply = await unlessForbidden(node.config('GET', name))
  // A list of name and value, or a map of them by the newer protocol.
  if (Array.isArray(reply)) return reply[1] === undefined ? undefined : String(reply[1])
  return (reply as Readonly<Record<string, string>> | undefined)?.[name]
}

async function unlessForbidden<Reply>(asked: Promise<Reply>): Promise<Reply | undefined> {
  try {
    return await asked
  } catch (thrown) {
    if (/^(NOPERM|ERR unknown command)/i.test((thrown as Error).message)) return undefined
    throw thrown
  }
}

function parseInfo(text: string | undefined): Map<string, string> {
  const lines = (text ?? '').split(/\r?\n/).flatMap((line) => {
    const at = line.indexOf(':')
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : []
  })
  return new Map(lines)
}
