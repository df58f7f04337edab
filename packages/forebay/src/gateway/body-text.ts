/** A body within JSON: as text where it is UTF-8, else as base64, so that every byte comes back as it was. */

import { isUtf8 } from 'node:buffer'

export interface BodyText {
  readonly body?: string
  readonly bodyBase64?: string
}

/** An empty body has neither field. */
export function bodyToText(bytes: Buffer): BodyText {
  if (bytes.length === 0) return {}
  return isUtf8(bytes) ? { body: bytes.toString('utf8') } : { bodyBase64: bytes.toString('base64') }
}

export function bodyFromText({ body, bodyBase64 }: BodyText): Buffer {
  return bodyBase64 === undefined ? Buffer.from(body ?? '', 'utf8') : Buffer.from(bodyBase64, 'base64')
}
