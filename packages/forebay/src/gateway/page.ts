/**
 * The live page: a handful of built files, read once at start, so that a request can name nothing else.
 *
 * The policy forbids the page everything that it does not do, inline scripts first of all: what comes from a task, a
 * queue's name or an error is text there and can never become anything else.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'

/** Two levels up, from `src/gateway` as from `dist/gateway`. */
const BUILT_PAGE = fileURLToPath(new URL('../../dist/page/', import.meta.url))

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const

/** Adds `GET /` and the files it loads. A checkout in which the page was not built says so instead. */
export function registerPage(app: FastifyInstance, folder = BUILT_PAGE): void {
  const files = readPage(folder)
  for (const [path, { body, type }] of files) {
    // The names under assets/ hold a hash of their content; the page itself must always be asked for again.
    const cache = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
    app.get(path, (_request, reply) =>
      reply
        .headers({ ...PAGE_HEADERS, 'cache-control': cache })
        .type(type)
        .send(body),
    )
  }
  if (files.has('/')) return
  app.get('/', (_request, reply) =>
    reply.headers(PAGE_HEADERS).type('text/plain; charset=utf-8').send('The live page is not built: npm run build.\n'),
  )
}

function readPage(folder: string): Map<string, { readonly body: Buffer; readonly type: string }> {
  const files = new Map<string, { readonly body: Buffer; readonly type: string }>()
  for (const name of namesIn(folder)) {
    const type = MEDIA_TYPES[extname(name)]
    if (type === undefined) continue
    const path = name === 'index.html' ? '/' : `/${name.replaceAll('\\', '/')}`
    files.set(path, { body: readFileSync(join(folder, name)), type })
  }
  return files
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch {
    return []
  }
}
