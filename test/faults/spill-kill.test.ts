import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { afterwards, newFolder } from './sqlite-scene.ts'

const PROGRAM = fileURLToPath(new URL('./spilling.process.ts', import.meta.url))
const ROUNDS = 5

test('kill -9 while tasks spill and are brought back loses none, and moves none twice', async () => {
  const folder = newFolder()
  const [main, spill] = [join(folder, 'main.db'), join(folder, 'spill.db')]
  const random = seededRandom(20_261_201)
  const acknowledged = new Set<string>()
  const handled = new Set<string>()
  let spilled = 0
  for (let round = 0; round < ROUNDS; round++) {
    const enough = 200 + Math.floor(random.next() * 400)
    const child = spawn(process.execPath, [PROGRAM, main, spill], { stdio: ['ignore', 'pipe', 'inherit'] })
    let lines = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const [what, id = ''] = line.split(' ')
      if (what === 'done') handled.add(id)
      else acknowledged.add(id)
      if (what === 'spilled') spilled++
      if (++lines === enough) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
  }
  expect(spilled).toBeGreaterThan(100)

  const queue = await LoadLevelingQueue.open(`sqlite:${main}`, {
    maxDepth: 20,
    overflow: { policy: 'spill', to: `sqlite:${spill}` },
  })
  afterwards(() => queue.close())
  const consumer = new LeveledConsumer(queue, ({ id }) => void handled.add(id), {
    concurrency: 20,
    retry: { maxAttempts: 100 },
  })
  afterwards(() => consumer.stop())
  const isEmpty = async () => {
    const depths = [await queue.depth(), await queue.spilled()]
    return depths.every((depth) => depth && depth.ready + depth.delayed + depth.inFlight === 0)
  }
  // Leases of the killed end within ten seconds; each that is settled or brought back is an event to look again at.
  const empty = new Promise<void>((resolve) => {
    const look = async () => {
      if (await isEmpty()) resolve()
    }
    consumer.on('completed', look)
    queue.on('returned', look)
  })
  await consumer.start()
  if (!(await isEmpty())) await empty

  expect([...acknowledged].filter((id) => !handled.has(id))).toEqual([])
  const { totals } = await queue.depth()
  // Each task came into the queue once, however often its move was repeated.
  expect(totals?.accepted).toBe(totals?.completed)
  expect(totals?.accepted).toBe(handled.size)
}, 120_000)
