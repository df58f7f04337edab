/** The client library, loaded only by those who use it. */

import { ForebayError, messageOf } from '../../errors.ts'

export type NatsPackage = typeof import('@nats-io/transport-node')

/** @throws ForebayError `MISSING_PACKAGE` */
export async function loadNatsPackage(): Promise<NatsPackage> {
  try {
    return await import('@nats-io/transport-node')
  } catch (thrown) {
    const message = `The package @nats-io/transport-node can't be loaded (${messageOf(thrown)}). Install it: npm install @nats-io/transport-node`
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}
