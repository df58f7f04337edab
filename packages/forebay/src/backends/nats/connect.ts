/** The connection to the servers, where none is handed in: it is sought again for as long as it takes. */

import type { NatsConnection } from '@nats-io/transport-node'
import { ForebayError, messageOf } from '../../errors.ts'
import type { RandomSource } from '../../random.ts'
import type { NatsPackage } from './nats-package.ts'

export interface Credentials {
  readonly user?: string
  readonly password?: string
  readonly token?: string
}

/** A connection that is silent for three of these is taken for lost. */
const PING_EVERY_MS = 4_000
const PINGS_OUT = 2

const CONNECT_WITHIN_MS = 5_000

/** Between two attempts to connect again: spread, so that all clients of a server that starts do not come at once. */
const LEAST_WAIT_MS = 50
const SPREAD_MS = 950

/** @throws ForebayError `BACKEND_UNAVAILABLE` */
export async function connect(
  natsPackage: NatsPackage,
  servers: readonly string[],
  { user, password, token }: Credentials,
  random: RandomSource,
): Promise<NatsConnection> {
  try {
    return await natsPackage.connect({
      servers: [...servers],
      name: 'forebay',
      timeout: CONNECT_WITHIN_MS,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => LEAST_WAIT_MS + random.next() * SPREAD_MS,
      ignoreAuthErrorAbort: true,
      pingInterval: PING_EVERY_MS,
      maxPingOut: PINGS_OUT,
      ...(user !== undefined && { user, pass: password ?? '' }),
      ...(token !== undefined && { token }),
    })
  } catch (cause) {
    const message = `The NATS servers ${servers.join(', ')} can't be reached: ${messageOf(cause)}.`
    throw new ForebayError('BACKEND_UNAVAILABLE', message, { cause })
  }
}
