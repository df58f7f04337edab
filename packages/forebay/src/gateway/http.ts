/**
 * The HTTP side: Fastify with our limits, our doors before every route, and our errors. It reads strictly (Node's parser
 * refuses conflicting lengths, folded headers and bare line feeds by itself) and says no before it buffers.
 */

import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ForebayError } from '../errors.ts'
import { checkOrigin } from './caller-origin.ts'
import type { HttpLimits } from './config-schema.ts'
import type { Endpoint } from './endpoint.ts'
import { errorBody, fromHttpLibrary, sendError } from './error-reply.ts'
import type { Gateway } from './gateway.ts'
import { parseJson } from './json-input.ts'
import { registerLive } from './live.ts'
import { registerPage } from './page.ts'
import { ENDPOINTS } from './routes/endpoints.ts'

/** Longer than any path parameter that means something: a queue's name, a task's id with every character escaped. */
const LONGEST_PARAMETER = 1_600

const NDJSON = ['application/x-ndjson', 'application/ndjson', 'application/jsonl']

export function buildHttp(gateway: Gateway): FastifyInstance {
  const { limits } = gateway.config
  const app = Fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    // The doors say 503 in our own words.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    http: serverOptions(limits),
    routerOptions: { maxParamLength: LONGEST_PARAMETER, ignoreTrailingSlash: false },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, _request, reply) => sendError(reply, fromHttpLibrary(error)),
  })
  // Node drops what is beyond this count without a word; the door below refuses it instead.
  app.server.maxHeadersCount = 0
  addBodyReaders(app)
  addDoors(app, gateway)
  app.setErrorHandler((thrown, request, reply) => {
    const error = fromHttpLibrary(thrown)
    if (error.code === 'INTERNAL') gateway.onError(error)
    // The rest of a body that nobody wants is not waited for.
    if (!request.raw.complete) reply.header('connection', 'close')
    return sendError(reply, error)
  })
  app.setNotFoundHandler((request, reply) => notFound(request, reply))
  for (const endpoint of ENDPOINTS) addRoute(app, gateway, endpoint)
  registerLive(app, gateway, { clock: gateway.clock })
  registerPage(app)
  return app
}

function serverOptions(limits: HttpLimits) {
  const soonest = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs)
  return {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: soonest,
    // How often the two are looked at.
    connectionsCheckingInterval: Math.min(5_000, Math.max(50, soonest / 4)),
    requireHostHeader: true,
    insecureHTTPParser: false,
  }
}

/** JSON is read whole, within its bound; NDJSON is handed on as a stream; all else is refused. */
function addBodyReaders(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
    // A POST that needs no body may say that it is JSON all the same.
    body.length === 0 ? undefined : parseJson(body),
  )
  app.addContentTypeParser(NDJSON, async (request: FastifyRequest, stream: unknown) => {
    if (request.routeOptions.url === '/v1/queues/:queue/tasks') return stream
    throw new ForebayError('UNSUPPORTED_MEDIA_TYPE', 'NDJSON is taken for tasks only.')
  })
}

/** What every request passes before anything of it is read: limits, origin, token, and whether the gateway still serves. */
function addDoors(app: FastifyInstance, gateway: Gateway): void {
  const { limits, tokens } = gateway.config
  const rules = { loopbackOnly: tokens.length === 0 }
  const acting = new Set(ENDPOINTS.filter(({ alwaysActs }) => alwaysActs).map(({ path }) => path))
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    if (request.raw.rawHeaders.length > 2 * limits.headers) {
      throw new ForebayError(
        'INVALID_REQUEST',
        `The request has more than the ${limits.headers} headers that this gateway takes.`,
      )
    }
    checkOrigin(request.headers, request.method, acting.has(request.routeOptions.url ?? ''), rules)
    // By the route and not by the path as it was written, of which there are many: `/%76%31/queues` leads there as well.
    // What else lies beside /v1 (the page, its description, the state of health) holds nothing that is anybody's.
    const route = request.routeOptions.url
    const [, query = ''] = (request.raw.url ?? '').split('?', 2)
    const isOpen = route !== undefined && !route.startsWith('/v1/') && route !== '/metrics'
    if (!isOpen) gateway.tokens.check(request.headers, query)
    if (gateway.state === 'stopping' || gateway.state === 'stopped') {
      throw new ForebayError('QUEUE_CLOSED', 'The gateway is stopping. Nothing of the request was stored.')
    }
  })
}

function addRoute(app: FastifyInstance, gateway: Gateway, endpoint: Endpoint): void {
  const handle = async (request: FastifyRequest, reply: FastifyReply) => endpoint.handle(gateway, request, reply)
  app.route({
    method: [...endpoint.methods],
    url: endpoint.path,
    // A hook runs before the library reads the body, and for methods whose bodies it never reads.
    ...(endpoint.readsRawBody && { onRequest: handle }),
    handler: handle,
  })
}

/** A path that is there with other methods is 405, not 404. */
function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path = ''] = (request.raw.url ?? '').split('?', 1)
  const allowed = ENDPOINTS.filter((endpoint) => matches(endpoint.path, path)).flatMap(({ methods }) => methods)
  if (allowed.length === 0) return sendError(reply, new ForebayError('NOT_FOUND', 'There is nothing at this path.'))
  reply.header('allow', allowed.join(', '))
  return sendError(reply, new ForebayError('METHOD_NOT_ALLOWED', `This path answers ${allowed.join(', ')} only.`))
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith(':') || part === given[index])
}

/** What was no HTTP request, or not in time: answered by hand, since nothing of it was parsed. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [status, sentence] = CONNECTION_ERRORS[error.code ?? ''] ?? [
    '400 Bad Request',
    'The request is not well-formed HTTP/1.1.',
  ]
  const body = JSON.stringify(errorBody(new ForebayError('INVALID_REQUEST', `${sentence} Nothing of it was stored.`)))
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  )
}

const CONNECTION_ERRORS: Readonly<Record<string, readonly [status: string, sentence: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are larger than this gateway takes.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time.'],
}
