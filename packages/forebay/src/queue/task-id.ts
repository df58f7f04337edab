/** Task ids: UUID version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then chance; so they sort by time. */

import type { Clock } from '../clock.ts'
import type { RandomSource } from '../random.ts'

export function newTaskId(clock: Clock, random: RandomSource): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes.writeUIntBE(Math.floor(clock.now()), 0, 6)
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
