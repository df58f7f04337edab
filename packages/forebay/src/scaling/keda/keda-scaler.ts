/**
 * KEDA's external scaler over gRPC: answers from the scaling signals of queues.
 *
 *     IsActive, StreamIsActive    whether any worker is wanted; the stream tells it at once, and at each change
 *     GetMetricSpec               the metric `forebay_desired_workers`, with the target 1: of an average value, so replicas = value
 *     GetMetrics                  how many workers are wanted
 *
 * A trigger names its queue in its metadata (`queue: orders`); it may leave it out where there is one. Whoever reaches the port can ask:
 * it says how many workers a queue needs, and nothing of its tasks.
 */

import type {
  sendUnaryData,
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { ForebayError } from '../../errors.ts'
import type { ScalingSignal } from '../scaling-signal.ts'
import { type Grpc, loadGrpc } from './grpc.ts'

const METRIC = 'forebay_desired_workers'

interface ScaledObjectRef {
  readonly scalerMetadata: Readonly<Record<string, string>>
}

interface MetricsRequest {
  readonly scaledObjectRef: ScaledObjectRef | null
}

export interface KedaScalerOptions {
  /** Such as `0.0.0.0:6000`; port 0 is any that is free. */
  readonly listen: string
  /** By the names of their queues. */
  readonly signals: ReadonlyMap<string, ScalingSignal>
}

export class KedaScaler {
  /** At which it listens. */
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** @throws ForebayError MISSING_PACKAGE, ADDRESS_IN_USE. */
  static async open({ listen, signals }: KedaScalerOptions): Promise<KedaScaler> {
    const { grpc, service } = await loadGrpc()
    const server = new grpc.Server()
    server.addService(service, answersOf(grpc, signals))
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(listen, grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (!error) resolve(bound)
        else reject(new ForebayError('ADDRESS_IN_USE', `The KEDA scaler cannot listen at ${listen}: ${error.message}.`))
      })
    })
    return new KedaScaler(server, port)
  }

  /** Ends all streams; KEDA connects again to who comes after. Works twice. */
  close(): void {
    this.#server.forceShutdown()
  }
}

function answersOf(grpc: Grpc, signals: ReadonlyMap<string, ScalingSignal>): UntypedServiceImplementation {
  /** Calls back with the answer, or with why there is none. */
  const answer =
    <Request, Answer>(refOf: (request: Request) => ScaledObjectRef, tell: (signal: ScalingSignal) => Answer) =>
    (call: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>): void => {
      try {
        callback(null, tell(signalOf(grpc, signals, refOf(call.request))))
      } catch (thrown) {
        callback(thrown as Error)
      }
    }
  const itself = (ref: ScaledObjectRef) => ref
  return {
    IsActive: answer(itself, (signal) => ({ result: isActive(signal) })),
    GetMetricSpec: answer(itself, () => ({ metricSpecs: [{ metricName: METRIC, targetSize: 1, targetSizeFloat: 1 }] })),
    GetMetrics: answer(
      ({ scaledObjectRef }: MetricsRequest) => scaledObjectRef ?? { scalerMetadata: {} },
      (signal) => {
        const desired = signal.latest?.desired ?? 0
        return { metricValues: [{ metricName: METRIC, metricValue: desired, metricValueFloat: desired }] }
      },
    ),
    StreamIsActive: (call: ServerWritableStream<ScaledObjectRef, { result: boolean }>) => {
      try {
        const signal = signalOf(grpc, signals, call.request)
        let told = isActive(signal)
        call.write({ result: told })
        const off = signal.on('decision', () => {
          if (isActive(signal) === told) return
          told = !told
          call.write({ result: told })
        })
        call.on('cancelled', off)
        call.on('close', off)
      } catch (thrown) {
        call.emit('error', thrown)
      }
    },
  }
}

function isActive({ latest }: ScalingSignal): boolean {
  return (latest?.desired ?? 0) > 0
}

/** @throws An error with a gRPC status. */
function signalOf(
  grpc: Grpc,
  signals: ReadonlyMap<string, ScalingSignal>,
  { scalerMetadata }: ScaledObjectRef,
): ScalingSignal {
  const known = [...signals.keys()].join(', ')
  const name = scalerMetadata.queue ?? (signals.size === 1 ? known : undefined)
  if (name === undefined) {
    throw statusError(
      grpc.status.INVALID_ARGUMENT,
      `Name the queue in the trigger's metadata, such as queue: ${[...signals.keys()][0]}.`,
    )
  }
  const signal = signals.get(name)
  if (signal) return signal
  throw statusError(
    grpc.status.NOT_FOUND,
    `No queue "${name.slice(0, 100)}" has a scaling objective; these have: ${known}.`,
  )
}

function statusError(code: number, details: string): Error {
  return Object.assign(new Error(details), { code, details })
}
