/**
 * Target guard: the gateway calls addresses that its configuration and its callers name, and must not be talked into
 * calling its own network (server-side request forgery).
 *
 * A name is resolved here, every address that it has is judged, and the connection goes to those very addresses: a name
 * that answers differently a moment later (DNS rebinding) is never asked again. The name stays what TLS and the `Host`
 * header see. This happens at each connect. Only addresses of the public Internet are reachable, and what the allow-list
 * names. Redirects are not the guard's matter: nothing here follows one.
 */

import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { ForebayError } from '../errors.ts'

export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

export interface TargetGuardOptions {
  /** Address ranges such as `10.1.0.0/16` that may be called although they are not public. */
  readonly allowPrivateTargets?: readonly string[]
  /** Names to addresses. Default: the system's resolver, with its hosts file. */
  readonly resolve?: Resolve
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** All that is public in IPv6, before the exceptions that are carved out of it. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/** A target that accepts no connection for this long is a failed attempt. */
const CONNECT_TIMEOUT_MS = 10_000

export class TargetGuard {
  readonly #allowed: readonly [Address, number][]
  readonly #resolve: Resolve

  /** @throws ForebayError INVALID_OPTION for a range that is none. */
  constructor(options: TargetGuardOptions = {}) {
    this.#allowed = (options.allowPrivateTargets ?? []).map(parseRange)
    this.#resolve = options.resolve ?? resolveBySystem
  }

  /** Why this address may not be called; undefined if it may. */
  refusal(text: string): string | undefined {
    if (!ipaddr.isValid(text)) return 'is no IP address'
    const address = ipaddr.process(text)
    if (this.#allowed.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits)))
      return undefined
    const range = address.range()
    if (range !== 'unicast') return `is not public (${range})`
    if (address instanceof ipaddr.IPv6 && !address.match(GLOBAL_UNICAST)) return 'is not public'
    return undefined
  }

  /**
   * Judges what can be judged of a URL without the network: its scheme, and its host if that is an address.
   * @throws ForebayError TARGET_REFUSED.
   */
  checkUrl(url: URL): void {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new ForebayError(
        'TARGET_REFUSED',
        `${url.protocol} is no scheme that the gateway calls; http: and https: are.`,
      )
    }
    if (url.username !== '' || url.password !== '') {
      throw new ForebayError(
        'TARGET_REFUSED',
        `The URL of ${url.hostname} carries a user name or password; send a header instead.`,
      )
    }
    const host = unbracketed(url.hostname)
    if (isIP(host) !== 0) this.#check(host, host)
  }

  /** For `net.connect`: resolves, judges, and answers with the judged addresses only. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (options.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (thrown: NodeJS.ErrnoException) => callback(thrown, options.all ? [] : ''),
    )
  }

  /**
   * The addresses of a name, all of them judged.
   * @throws ForebayError TARGET_REFUSED if one of them is not public: a name with mixed addresses is a trick or a mistake.
   */
  async addressesOf(hostname: string): Promise<[LookupAddress, ...LookupAddress[]]> {
    const addresses = await this.#resolve(hostname)
    for (const { address } of addresses) this.#check(address, hostname)
    const [first, ...others] = addresses
    if (!first) throw new ForebayError('TARGET_FAILED', `The name ${hostname} has no address.`)
    return [first, ...others]
  }

  /** For undici: opens connections, to judged addresses only. */
  connector(): buildConnector.connector {
    const connect = buildConnector({
      lookup: this.lookup,
      autoSelectFamily: true,
      allowH2: false,
      timeout: CONNECT_TIMEOUT_MS,
    })
    return (options, callback) => {
      const host = unbracketed(options.hostname)
      try {
        // An address is connected to without a lookup, so it is judged here.
        if (isIP(host) !== 0) this.#check(host, host)
      } catch (thrown) {
        callback(thrown as ForebayError, null)
        return
      }
      connect(options, callback)
    }
  }

  #check(address: string, host: string): void {
    const refusal = this.refusal(address)
    if (refusal === undefined) return
    const subject = address === host ? `The address ${address}` : `${host} was not called: its address ${address}`
    throw new ForebayError('TARGET_REFUSED', `${subject} ${refusal}.`)
  }
}

/** @throws ForebayError INVALID_OPTION. */
function parseRange(text: string): [Address, number] {
  try {
    return text.includes('/') ? ipaddr.parseCIDR(text) : wholeAddress(ipaddr.parse(text))
  } catch (cause) {
    const message = `allowPrivateTargets: "${text}" is no address range such as 10.1.0.0/16.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'allowPrivateTargets', cause })
  }
}

function wholeAddress(address: Address): [Address, number] {
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

function resolveBySystem(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })
}
