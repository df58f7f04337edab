/** Task ids: UUID version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then chance; so they sort by time. */

import type { Clock } from '../clock.ts'
import type { RandomSource } from '../random.ts'

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function newTaskId(clock: Clock, random: RandomSource): string {
  const time = Math.floor(clock.now()).toString(16).padStart(12, '0')
  const bytes = random.bytes(16)
  const hex = (index: number) => HEX[bytes[index] as number]
  const version = HEX[0x70 | ((bytes[6] as number) & 0x0f)]
  const variant = HEX[0x80 | ((bytes[8] as number) & 0x3f)]
  const last = `${hex(10)}${hex(11)}${hex(12)}${hex(13)}${hex(14)}${hex(15)}`
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${hex(7)}-${variant}${hex(9)}-${last}`
}
