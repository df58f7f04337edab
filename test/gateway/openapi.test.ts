/** The description and the routes agree: each is in the other. */

import { expect, it } from 'vitest'
import { ERROR_CODES } from '../../packages/forebay/src/errors.ts'
import { openGateway } from './running.ts'

interface Document {
  readonly openapi: string
  readonly info: { readonly description: string }
  readonly paths: Record<string, Record<string, { readonly operationId: string; readonly responses: object }>>
  readonly components: { readonly schemas: Record<string, object> }
}

/** The files of the page are no interface. */
const OF_THE_PAGE = /^\/($|.*\.(html|js|css|svg)$)/

async function described() {
  const gateway = await openGateway({ orders: { target: 'http://127.0.0.1:9', paused: true } })
  const document = (await gateway.app.inject('/openapi.json')).json<Document>()
  return { app: gateway.app, document }
}

/** `GET /v1/queues/{queue}` of each route that the router knows, read from its own print-out. */
function routesOf(printed: string): string[] {
  const routes: string[] = []
  const stack: { readonly depth: number; readonly path: string }[] = []
  for (const line of printed.split('\n')) {
    const match = /^([│ ]*)[├└]── (\S*)(?: \(([A-Z, ]+)\))?/.exec(line)
    if (!match) continue
    const [, indent = '', part = '', methods] = match
    while (stack.length > 0 && (stack.at(-1)?.depth ?? 0) >= indent.length) stack.pop()
    const path = `${stack.at(-1)?.path ?? ''}${part}`
    stack.push({ depth: indent.length, path })
    for (const method of methods?.split(', ') ?? []) routes.push(`${method} ${path}`)
  }
  return routes.map((route) => route.replace(/:(\w+)/g, '{$1}').replace(/\/?\*$/, '/{path}'))
}

it('has each registered route, and each that it has is registered', async () => {
  const { app, document } = await described()
  const registered = routesOf(app.printRoutes({ commonPrefix: false })).filter(
    (route) => !OF_THE_PAGE.test(route.split(' ')[1] ?? ''),
  )
  const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(registered).toContain('POST /v1/queues/{queue}/tasks')
  expect(inDocument.toSorted()).toEqual(registered.toSorted())
})

it('is OpenAPI 3.1 with an answer for each operation, ids that differ and references that lead somewhere', async () => {
  const { document } = await described()
  expect(document.openapi).toBe('3.1.0')
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  for (const { responses } of operations) expect(Object.keys(responses).length).toBeGreaterThan(0)
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  )
  expect(references.length).toBeGreaterThan(0)
  for (const name of references) expect(document.components.schemas).toHaveProperty(name as string)
})

it('names every error code', async () => {
  const { document } = await described()
  for (const code of Object.keys(ERROR_CODES)) expect(document.info.description).toContain(code)
})
