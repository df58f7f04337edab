import { openGraphile } from './graphile.ts'

/** What its documentation recommends for throughput. */
export const open = (url: string) => openGraphile(url, { localQueue: { size: 500 }, completeJobBatchDelay: 0 })
