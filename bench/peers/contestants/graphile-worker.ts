import { openGraphile } from './graphile.ts'

export const open = (url: string) => openGraphile(url, {})
