/** Opens the backends of a queue: its own, one that takes what does not fit, one that keeps what its consumers share. */

import { type OpenOptions, openBackend } from '../backends/open-backend.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import { checkFairness, type Fair } from './fair-shares.ts'
import { checkEviction, type Overflow } from './overflow.ts'

export interface Services {
  readonly service: QueueService
  readonly spill: QueueService | undefined
  /** How many tasks lie in the spill already. */
  readonly spilled: number
  readonly coordinator: QueueService | undefined
}

export interface ServicesWanted {
  readonly where: string | QueueService
  readonly overflow: Overflow
  readonly fair: Fair | undefined
  readonly coordinator: string | QueueService | undefined
}

/** @throws ForebayError what keeps one of them from opening; then none that was opened here is left open. */
export async function openServices(wanted: ServicesWanted, opening: OpenOptions): Promise<Services> {
  const { where, overflow, fair, coordinator } = wanted
  const opened: QueueService[] = []
  const open = async (at: string | QueueService) => {
    if (typeof at !== 'string') return at
    const service = await openBackend(at, opening)
    opened.push(service)
    return service
  }
  try {
    const service = await open(where)
    checkEviction(overflow, service.backend, service.capabilities)
    checkFairness(fair, service.backend, service.capabilities)
    const spillsTo = typeof overflow === 'object' && overflow.policy === 'spill' ? overflow.to : undefined
    const spill = spillsTo === undefined ? undefined : await open(spillsTo)
    // Each opening of `memory:` without a name is a queue of its own.
    if (spill) checkSpill(spill, service, spillsTo === where && where !== 'memory:')
    const coordinated = coordinator === undefined ? undefined : await open(coordinator)
    if (coordinated) checkCoordinator(coordinated)
    return { service, spill, spilled: spill ? await queuedIn(spill) : 0, coordinator: coordinated }
  } catch (thrown) {
    await Promise.allSettled(opened.map((service) => service.close()))
    throw thrown
  }
}

function checkSpill(spill: QueueService, service: QueueService, isItself: boolean): void {
  const details = { path: 'overflow.to' }
  if (isItself) {
    const message = 'overflow.to is the queue itself; it must be a queue on another backend.'
    throw new ForebayError('INVALID_OPTION', message, details)
  }
  if (spill.capabilities.durability !== 'none' || service.capabilities.durability === 'none') return
  const message = `A task that is spilled to ${spill.backend} survives nothing, and one in ${service.backend} does. Spill to a backend that is as durable.`
  throw new ForebayError('INVALID_OPTION', message, details)
}

function checkCoordinator({ backend, shared }: QueueService): void {
  if (shared) return
  const message = `The ${backend} backend can't coordinate: it has no atomic state. Use sqlite, redis or postgres.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'coordinator' })
}

async function queuedIn(service: QueueService): Promise<number> {
  const { ready, delayed, inFlight } = await service.depth()
  return ready + delayed + inFlight
}
