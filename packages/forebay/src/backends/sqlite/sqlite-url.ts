/** `sqlite:PATH[?durability=full|normal]` */

import { ForebayError } from '../../errors.ts'
import type { Durability } from './operations.ts'

/** @throws ForebayError `INVALID_URL` */
export function parseSqliteUrl(url: string): { readonly path: string; readonly durability: Durability } {
  const [, path = '', query = ''] = /^sqlite:(?:\/\/)?([^?]*)(?:\?(.*))?$/s.exec(url) ?? []
  if (path === '') throw new ForebayError('INVALID_URL', `"${url}" names no file; write sqlite:orders.db.`)
  if (path === ':memory:') throw new ForebayError('INVALID_URL', `"${url}" has no file; write memory: instead.`)
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].find((name) => name !== 'durability')
  if (unknown !== undefined) {
    throw new ForebayError('INVALID_URL', `"${url}" has the parameter "${unknown}"; known is durability.`)
  }
  const durability = parameters.get('durability') ?? 'full'
  if (durability !== 'full' && durability !== 'normal') {
    throw new ForebayError('INVALID_URL', `"${url}" has durability "${durability}"; it is full or normal.`)
  }
  return { path, durability }
}
