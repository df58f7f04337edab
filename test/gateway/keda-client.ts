/**
 * A client of KEDA's external scaler that knows nothing of our proto file: the contract stands here as tables, from KEDA's published
 * interface (github.com/kedacore/keda, pkg/scalers/externalscaler, as of November 2026), and the bytes are made from them.
 */

import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

export const SERVICE = 'externalscaler.ExternalScaler'

/** Its methods: the request, the answer, and whether answers come as a stream. */
export const METHODS = {
  IsActive: ['ScaledObjectRef', 'IsActiveResponse', false],
  StreamIsActive: ['ScaledObjectRef', 'IsActiveResponse', true],
  GetMetricSpec: ['ScaledObjectRef', 'GetMetricSpecResponse', false],
  GetMetrics: ['GetMetricsRequest', 'GetMetricsResponse', false],
} as const

/** A scaler that answers this one with UNIMPLEMENTED is asked by GetMetricSpec. */
export const OPTIONAL_METHODS = { StreamMetricSpec: ['ScaledObjectRef', 'GetMetricSpecResponse', true] } as const

/** Its messages: each field's number, name and type. */
export const MESSAGES: Readonly<Record<string, readonly (readonly [number: number, name: string, type: string])[]>> = {
  ScaledObjectRef: [
    [1, 'name', 'string'],
    [2, 'namespace', 'string'],
    [3, 'scalerMetadata', 'map<string, string>'],
  ],
  IsActiveResponse: [[1, 'result', 'bool']],
  GetMetricSpecResponse: [[1, 'metricSpecs', 'repeated MetricSpec']],
  MetricSpec: [
    [1, 'metricName', 'string'],
    [2, 'targetSize', 'int64'],
    [3, 'targetSizeFloat', 'double'],
  ],
  GetMetricsRequest: [
    [1, 'scaledObjectRef', 'ScaledObjectRef'],
    [2, 'metricName', 'string'],
  ],
  GetMetricsResponse: [[1, 'metricValues', 'repeated MetricValue']],
  MetricValue: [
    [1, 'metricName', 'string'],
    [2, 'metricValue', 'int64'],
    [3, 'metricValueFloat', 'double'],
  ],
}

type Value = Record<string, unknown>
type Method = keyof typeof METHODS | keyof typeof OPTIONAL_METHODS

interface Stream extends AsyncIterable<{ readonly result: boolean }> {
  on(name: 'error', listener: (error: ServiceError) => void): void
  cancel(): void
}

/** Asks as KEDA does. */
export class Keda {
  readonly #client: Client

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    onTestFinished(() => this.#client.close())
  }

  ask(method: Method, request: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(...callOf(method), request as Value, (error, answer) =>
        error ? reject(error) : resolve(answer),
      )
    })
  }

  stream(request: object, method: Method = 'StreamIsActive'): Stream {
    const stream = this.#client.makeServerStreamRequest(...callOf(method), request as Value) as unknown as Stream
    stream.on('error', () => {})
    onTestFinished(() => stream.cancel())
    return stream
  }
}

function callOf(method: Method) {
  const [request, answer] = { ...METHODS, ...OPTIONAL_METHODS }[method]
  const encode = (value: Value) => encoded(request, value)
  return [`/${SERVICE}/${method}`, encode, (bytes: Buffer) => decoded(answer, bytes)] as const
}

/** Protocol Buffers' wire types: https://protobuf.dev/programming-guides/encoding/ */
const [VARINT, DOUBLE, LENGTH] = [0, 1, 2]

/** As much of the encoding as requests need. */
function encoded(message: string, value: Value): Buffer {
  const fields = (MESSAGES[message] ?? []).flatMap(([number, name, type]) => {
    const given = value[name]
    if (given === undefined) return []
    if (type === 'string') return [delimited(number, Buffer.from(given as string))]
    if (!type.startsWith('map')) return [delimited(number, encoded(type, given as Value))]
    return Object.entries(given as Record<string, string>).map(([key, text]) =>
      delimited(number, Buffer.concat([delimited(1, Buffer.from(key)), delimited(2, Buffer.from(text))])),
    )
  })
  return Buffer.concat(fields)
}

function delimited(number: number, bytes: Buffer): Buffer {
  if (bytes.length > 127) throw new Error('The tests need no longer field.')
  return Buffer.concat([Buffer.from([(number << 3) | LENGTH, bytes.length]), bytes])
}

/** As much of it as answers need. A field that the table does not know, or of another type, is an error. */
function decoded(message: string, bytes: Buffer): Value {
  const fields = MESSAGES[message] ?? []
  const value: Value = Object.fromEntries(fields.map(([, name, type]) => [name, absent(type)]))
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at++)
    const [, name, type] = fields.find(([number]) => number === tag >> 3) ?? []
    const wire = type === 'bool' || type === 'int64' ? VARINT : type === 'double' ? DOUBLE : LENGTH
    if (name === undefined || type === undefined || wire !== (tag & 7)) {
      throw new Error(`${message} has no field ${tag >> 3} of the wire type ${tag & 7}.`)
    }
    if (wire === DOUBLE) {
      value[name] = bytes.readDoubleLE(at)
      at += 8
      continue
    }
    // One byte: the tests see no larger number and no longer text.
    const byte = bytes.readUInt8(at++)
    if (byte > 127) throw new Error('The tests need no longer number.')
    const inner = bytes.subarray(at, at + byte)
    if (wire === LENGTH) at += byte
    if (type === 'string') value[name] = inner.toString()
    else if (type === 'bool') value[name] = byte === 1
    else if (type === 'int64') value[name] = byte
    else (value[name] as Value[]).push(decoded(type.replace('repeated ', ''), inner))
  }
  return value
}

function absent(type: string): unknown {
  if (type.startsWith('repeated')) return []
  return type === 'string' ? '' : type === 'bool' ? false : 0
}
