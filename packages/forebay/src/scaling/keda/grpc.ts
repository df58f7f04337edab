/** gRPC and KEDA's interface, loaded when they are needed. */

import { fileURLToPath } from 'node:url'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { ForebayError, messageOf } from '../../errors.ts'

export type Grpc = typeof import('@grpc/grpc-js')

const PROTO = fileURLToPath(new URL('../../../proto/externalscaler.proto', import.meta.url))

export interface Loaded {
  readonly grpc: Grpc
  readonly service: ServiceDefinition
}

/** @throws ForebayError MISSING_PACKAGE. */
export async function loadGrpc(): Promise<Loaded> {
  try {
    const [grpc, loader] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')])
    const definition = loader.loadSync(PROTO, { longs: Number, defaults: true })
    return { grpc, service: definition['externalscaler.ExternalScaler'] as ServiceDefinition }
  } catch (thrown) {
    const message = `The KEDA scaler needs two packages: npm install @grpc/grpc-js @grpc/proto-loader (${messageOf(thrown)}).`
    throw new ForebayError('MISSING_PACKAGE', message, { cause: thrown })
  }
}
