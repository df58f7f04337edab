/** The OpenAPI document, made from the endpoints. */

import { ERROR_CODES } from '../errors.ts'
import type { Answered, Endpoint } from './endpoint.ts'
import { ref, SCHEMAS } from './schemas.ts'

/** What any endpoint under /v1 may answer. */
const ALWAYS: Readonly<Record<number, Answered>> = {
  400: { description: 'The request is wrong; the message says where.', schema: ref('Error') },
  401: { description: 'The gateway has tokens and the request has none of them.', schema: ref('Error') },
  403: { description: 'A page of another origin.', schema: ref('Error') },
  404: { description: 'No such queue, task or path.', schema: ref('Error') },
  503: {
    description: 'The backend is away, or the gateway stops; Retry-After says when to try again.',
    schema: ref('Error'),
  },
}

export function openApi(endpoints: readonly Endpoint[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const endpoint of endpoints) {
    const path = documentPath(endpoint.path)
    const operations = paths[path] ?? {}
    for (const method of endpoint.methods) operations[method.toLowerCase()] = operation(endpoint, method)
    paths[path] = operations
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Forebay gateway',
      version: '1',
      description: `Queue-based load leveling: HTTP in, queue, HTTP out at a level rate. Error codes: ${Object.keys(ERROR_CODES).join(', ')}.`,
    },
    security: [{}, { token: [] }],
    paths,
    components: { schemas: SCHEMAS, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  }
}

/** `/v1/queues/:queue` is `/v1/queues/{queue}` there, and a wildcard is named `path`. */
export function documentPath(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')
}

function operation(
  { path, summary, description, parameters = [], body, answers, methods }: Endpoint,
  method: string,
): object {
  const inPath = [...documentPath(path).matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    in: 'path',
    name,
    required: true,
    schema: { type: 'string' },
  }))
  const all = { ...(path.startsWith('/v1/') && ALWAYS), ...answers }
  return {
    operationId: operationId(path, method, methods.length > 1),
    summary,
    ...(description !== undefined && { description }),
    parameters: [...inPath, ...parameters],
    ...(body &&
      method !== 'GET' &&
      method !== 'HEAD' && { requestBody: { content: mapValues(body, (schema) => ({ schema })) } }),
    responses: mapValues(all, ({ description: words, schema }) => ({
      description: words,
      ...(schema && { content: { 'application/json': { schema } } }),
    })),
  }
}

function operationId(path: string, method: string, several: boolean): string {
  const words = path
    .replace(/[*]/g, 'path')
    .split(/[^a-z0-9]+/i)
    .filter((word) => word !== '' && word !== 'v1')
  const name = words.map((word, index) => (index === 0 ? word : `${word[0]?.toUpperCase()}${word.slice(1)}`)).join('')
  return several || method !== 'GET' ? `${name}-${method.toLowerCase()}` : name
}

function mapValues<Value, Mapped>(
  values: Readonly<Record<string, Value>>,
  map: (value: Value) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))
}
