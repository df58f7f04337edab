/**
 * Names of tasks at Cloud Tasks. A task that follows another one (a retry, a dead letter) is named after it, so that it exists
 * once, however often a crash or a lost answer makes us create it: Cloud Tasks refuses a name that is there, and for about an
 * hour after its task is gone. Hashes, because names that come in an order make Cloud Tasks slow.
 */

import { createHash } from 'node:crypto'

function hash(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)
}

/** What is delivered after it: a retry, the rest of a long delay. */
export function successorOf(name: string): string {
  return hash('next', name)
}

export function deadLetterOf(name: string): string {
  return hash('dead', name)
}

export function redrivenOf(deadName: string): string {
  return hash('redriven', deadName)
}

/** The mark of a dedup id that was first seen in one of the spans of time that are as long as its window. */
export function markOf(dedupId: string, windowMs: number, span: number): string {
  return hash('mark', dedupId, windowMs, span)
}

export function markedTaskOf(markName: string): string {
  return hash('task', markName)
}
