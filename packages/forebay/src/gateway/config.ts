/**
 * Reads the configuration: defaults, under the YAML file, under the environment (`FOREBAY_*`), under the command's flags.
 * It is judged as a whole before anything starts, and every fault is told with its line (or variable, or flag) and field.
 */

import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { checkBackendUrl } from '../backends/open-backend.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { configSchema, type GatewayConfig } from './config-schema.ts'
import { ConfigText } from './config-text.ts'
import { isLoopback, parseListen } from './listen-address.ts'
import { TargetGuard } from './target-guard.ts'

export interface ConfigSources {
  /** The YAML file. */
  readonly path: string
  /** Default: the file's content. */
  readonly text?: string
  /** Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What the command's flags say; undefined values are passed over. */
  readonly flags?: { readonly listen?: string | undefined; readonly storage?: string | undefined }
}

/** Which variable sets which field. Lists are separated by commas. */
const VARIABLES = {
  FOREBAY_LISTEN: { field: 'listen', read: String },
  FOREBAY_STORAGE: { field: 'storage', read: String },
  FOREBAY_COORDINATOR: { field: 'coordinator', read: String },
  FOREBAY_TOKENS: { field: 'tokens', read: list },
  FOREBAY_ALLOW_PRIVATE_TARGETS: { field: 'allowPrivateTargets', read: list },
  FOREBAY_REPLY_WAIT_MS: { field: 'replyWaitMs', read: Number },
  FOREBAY_KEEP_RESULTS_MS: { field: 'keepResultsMs', read: Number },
  FOREBAY_GRACE_MS: { field: 'graceMs', read: Number },
} as const

/** @throws ForebayError INVALID_CONFIG. */
export async function loadConfig(sources: ConfigSources): Promise<GatewayConfig> {
  const text = sources.text ?? (await read(sources.path))
  const file = new ConfigText(sources.path, text)
  const given: Record<string, unknown> = { ...file.value }
  for (const [variable, { field, read: readAs }] of Object.entries(VARIABLES)) {
    const value = sources.env?.[variable]
    if (value === undefined || value === '') continue
    given[field] = readAs(value)
    file.overridden.set(field, variable)
  }
  for (const [field, value] of Object.entries(sources.flags ?? {})) {
    if (value === undefined) continue
    given[field] = value
    file.overridden.set(field, `--${field}`)
  }
  const parsed = configSchema.safeParse(given)
  if (!parsed.success) throw file.fault(parsed.error.issues)
  checkDoors(parsed.data, file)
  await checkBackends(parsed.data, file)
  return parsed.data
}

/** The URLs of backends, as far as they can be read without being opened. */
async function checkBackends({ storage, coordinator, queues }: GatewayConfig, file: ConfigText): Promise<void> {
  const urls: [path: string[], url: string | undefined][] = [
    [['storage'], storage],
    [['coordinator'], coordinator],
    ...Object.entries(queues).map(([name, { overflow }]): [string[], string | undefined] => [
      ['queues', name, 'overflow', 'to'],
      overflow.to,
    ]),
  ]
  for (const [path, url] of urls) {
    await (url &&
      checkBackendUrl(url).catch((fault) => {
        throw file.fault([{ path, message: messageOf(fault) }])
      }))
  }
}

/** What no single field can tell: who may come in, and what may be called. */
function checkDoors(config: GatewayConfig, file: ConfigText): void {
  const { host } = parseListen(config.listen)
  if (!isLoopback(host) && config.tokens.length === 0) {
    const message = `listening at ${host} lets other machines in, which needs tokens; add tokens, or listen at 127.0.0.1`
    throw file.fault([{ path: ['listen'], message }])
  }
  const guard = new TargetGuard(config)
  for (const [name, { target }] of Object.entries(config.queues)) {
    const refusal = refusalOf(guard, new URL(target.url))
    if (refusal) throw file.fault([{ path: ['queues', name, 'target', 'url'], message: refusal }])
  }
}

/** Names are judged when they are resolved, at each connect; addresses, and the one name that is always private, now. */
function refusalOf(guard: TargetGuard, url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const address = isIP(host) !== 0 ? host : isLoopback(host) ? '127.0.0.1' : undefined
  const refusal = address === undefined ? undefined : guard.refusal(address)
  return refusal && `the target ${host} ${refusal}; if it is meant to be called, add ${address} to allowPrivateTargets`
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const message = missing
      ? `${path}: there is no such file; "forebay init" writes one.`
      : `${path}: ${messageOf(cause)}.`
    throw new ForebayError('INVALID_CONFIG', message, { cause })
  }
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
