/**
 * The same backend, watched: it tells how many tasks each settlement has taken out of the queue, so that who waits for room
 * in this process learns of it at once.
 */

import type { QueueService, Settlement } from '../backends/queue-service.ts'

export function watchSettling(service: QueueService, onFreed: (count: number) => void): QueueService {
  return {
    backend: service.backend,
    capabilities: service.capabilities,
    push: (...args) => service.push(...args),
    claim: (request) => service.claim(request),
    async settle(settlements) {
      const results = await service.settle(settlements)
      const freed = results.filter(({ status }, index) => status === 'settled' && frees(settlements[index])).length
      if (freed > 0) onFreed(freed)
      return results
    },
    extend: (claims, leaseMs) => service.extend(claims, leaseMs),
    depth: (newcomer) => service.depth(newcomer),
    find: (ids) => service.find(ids),
    dead: service.dead,
    ...(service.shared && { shared: service.shared }),
    ...(service.ownRate && { ownRate: service.ownRate }),
    close: () => service.close(),
  }
}

/** A dead letter does not count towards the bounds. */
function frees(settlement: Settlement | undefined): boolean {
  return settlement?.outcome === 'complete' || settlement?.outcome === 'dead' || settlement?.outcome === 'expire'
}
