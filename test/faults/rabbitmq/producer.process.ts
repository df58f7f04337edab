/**
 * A producer to be killed: pushes tasks without end, one in five with a delay, and prints `ack ID` for each that was
 * acknowledged and `info ID` for each of which nothing is known. Ends when its standard input does.
 */

import { writeSync } from 'node:fs'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { systemRandom } from '../../../packages/forebay/src/random.ts'
import { openAgain } from './open-again.ts'

const [, , url = '', queue = ''] = process.argv
let isOver = false
process.stdin.on('end', () => {
  isOver = true
})
process.stdin.resume()

const service = await openAgain(url, queue)
let count = 0

async function produce(): Promise<void> {
  while (!isOver) {
    const id = `${process.pid}-${++count}`
    const delayMs = systemRandom.next() < 0.2 ? Math.floor(systemRandom.next() * 2_500) : 0
    try {
      await service.push([{ id, type: 'charge', payload: JSON.stringify(id), priority: 0, delayMs }])
      writeSync(1, `ack ${id}\n`)
    } catch {
      writeSync(1, `info ${id}\n`)
      await sleep(systemClock, 200)
    }
    await sleep(systemClock, 10)
  }
}

await Promise.all([produce(), produce(), produce()])
await service.close()
