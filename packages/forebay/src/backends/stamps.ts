/** Names for what happens, in the order in which it happens: each sorts by time, and by the order within a process. */

import type { Clock } from '../clock.ts'
import type { RandomSource } from '../random.ts'

export function stamps(clock: Clock, random: RandomSource): () => string {
  const name = Buffer.from(random.bytes(6)).toString('hex')
  const pad = (number: number, digits: number) => String(number).padStart(digits, '0')
  let count = 0
  return () => `${pad(Math.floor(clock.now()), 15)}-${pad(++count, 10)}-${name}`
}
