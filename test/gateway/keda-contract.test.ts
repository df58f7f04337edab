/** The proto file that we ship says what KEDA's does, as the tables of keda-client.ts state it. */

import { join } from 'node:path'
import { loadSync } from '@grpc/proto-loader'
import { expect, it, onTestFinished } from 'vitest'
import { MESSAGES, METHODS, SERVICE, Keda } from './keda-client.ts'
import { openGateway, startTarget } from './running.ts'

const PROTO = join(import.meta.dirname, '../../packages/forebay/proto/externalscaler.proto')

interface Field {
  readonly name: string
  readonly number: number
  readonly label: string
  readonly type: string
  readonly typeName: string
}

interface Message {
  readonly name: string
  readonly field: readonly Field[]
  readonly nestedType: readonly (Message & { readonly options: { readonly mapEntry?: boolean } | null })[]
}

const definition = loadSync(PROTO, { keepCase: true })

/** In the words of the proto language. */
function typeOf({ label, type, typeName }: Field, { nestedType }: Message): string {
  const entry = nestedType.find(({ name, options }) => name === typeName && options?.mapEntry)
  if (entry) return `map<${entry.field.map((field) => typeOf(field, entry)).join(', ')}>`
  const plain = type === 'TYPE_MESSAGE' ? typeName : type.replace('TYPE_', '').toLowerCase()
  return label === 'LABEL_REPEATED' ? `repeated ${plain}` : plain
}

it('has KEDA’s messages, with its names, numbers and types', () => {
  const messages = Object.entries(definition).flatMap(([name, one]) => {
    if (name === SERVICE) return []
    const message = (one as unknown as { readonly type: Message }).type
    expect(name).toBe(`externalscaler.${message.name}`)
    return [[message.name, message.field.map((field) => [field.number, field.name, typeOf(field, message)])] as const]
  })
  expect(Object.fromEntries(messages)).toEqual(MESSAGES)
})

it('has KEDA’s service and its methods, all that it must have', () => {
  const service = definition[SERVICE] as unknown as Record<string, Record<string, unknown>>
  const methods = Object.entries(service).map(([name, method]) => {
    expect([method.path, method.requestStream]).toEqual([`/${SERVICE}/${name}`, false])
    const [request, answer] = [method.requestType, method.responseType].map((one) => (one as { type: Message }).type)
    return [name, [request?.name, answer?.name, method.responseStream]]
  })
  expect(Object.fromEntries(methods)).toEqual(METHODS)
})

it('what KEDA may leave out is answered as it expects then: UNIMPLEMENTED', async () => {
  const target = await startTarget()
  const queue = { target: target.url, paused: true, scaling: { waitMs: 60_000 } }
  const gateway = await openGateway({ orders: queue }, { kedaListen: '127.0.0.1:0' })
  onTestFinished(() => gateway.stop(0))
  await gateway.start()
  const stream = new Keda(gateway.kedaPort as number).stream({ name: 'workers' }, 'StreamMetricSpec')
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 12 })
})
