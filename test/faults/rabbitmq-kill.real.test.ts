/**
 * Producers, consumers and the server are killed at random points under load, and connections cut. From the history alone:
 * no acknowledged task is lost, no token completes twice, and what is done twice is no more than was on its way at a fault.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { noRabbitmq, OwnRabbitmq } from '../servers/rabbitmq.ts'
import { afterwards, open, proxied, until } from './rabbitmq/scene.ts'

const KILLS = 50
/** The server is killed after so many of them: starting it takes seconds. */
const SERVER_AT = [7, 33]
const BETWEEN_MS = 300
/** One consumer has so many tasks at a time. */
const IN_FLIGHT = 10
const CONSUMERS = 3
const PRODUCERS = 2

type Role = 'producer' | 'consumer'

interface Worker {
  readonly role: Role
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  /** Ids of which it said that it completes them, and not yet what became of that. */
  readonly open: Set<string>
}

/** What the workers told, in the order in which it came. */
class History {
  readonly acknowledged = new Set<string>()
  readonly unknown = new Set<string>()
  readonly granted = new Map<string, string>()
  /** Ids that may be completed without anybody having said so: their consumer was killed just then, or got no answer. */
  readonly untold = new Set<string>()
  /** By token. */
  readonly done: { readonly id: string; readonly token: string }[] = []
  readonly faults: string[] = []
  starts = 0

  tell(line: string, { open: opened }: Pick<Worker, 'open'>): void {
    const [what, id = '', token = '', attempts, payload] = line.split(' ')
    if (what === 'ack') this.acknowledged.add(id)
    else if (what === 'info') this.unknown.add(id)
    else if (what === 'completing') opened.add(id)
    else if (what === 'done' || what === 'stale' || what === 'failed') {
      opened.delete(id)
      if (what === 'done') this.done.push({ id, token })
      if (what === 'failed') this.untold.add(id)
    } else if (what === 'grant') {
      this.starts++
      if (this.granted.has(token)) this.faults.push(`token ${token} was granted twice`)
      if (payload !== JSON.stringify(id)) this.faults.push(`${id} has the payload ${payload}`)
      if (!(Number(attempts) >= 1)) this.faults.push(`${id} was granted as attempt ${attempts}`)
      this.granted.set(token, id)
    } else this.faults.push(`nobody says ${line}`)
  }
}

function start(role: Role, url: string, queue: string, history: History): Worker {
  const program = fileURLToPath(new URL(`./rabbitmq/${role}.process.ts`, import.meta.url))
  const child = spawn(process.execPath, [program, url, queue], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => undefined)
  const worker = { role, process: child, open: new Set<string>() }
  createInterface({ input: child.stdout }).on('line', (line) => history.tell(line, worker))
  afterwards(() => child.kill('SIGKILL'))
  return worker
}

async function end({ process: child }: Worker, how: 'kill' | 'stop'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'close')
  if (how === 'kill') child.kill('SIGKILL')
  else child.stdin.end()
  await gone
}

const none = noRabbitmq('kill -9 around RabbitMQ', true)

test('kill -9 of producers, consumers and the server loses nothing, and no token completes twice', {
  timeout: 120_000,
}, async ({ skip }) => {
  if (none !== undefined) return skip(none)
  const server = await OwnRabbitmq.start()
  afterwards(() => server.stop())
  const { proxy, url } = await proxied(server.port, 2)
  const queue = 'kill'
  const history = new History()
  const random = seededRandom(20_261_125)
  const roles: Role[] = [...Array<Role>(PRODUCERS).fill('producer'), ...Array<Role>(CONSUMERS).fill('consumer')]
  const workers = roles.map((role) => start(role, url, queue, history))
  await until('all work', () => history.acknowledged.size > 50 && history.done.length > 50)

  for (let kill = 1; kill <= KILLS; kill++) {
    await sleep(systemClock, BETWEEN_MS * (0.5 + random.next()))
    if (kill % 5 === 0) proxy.cut()
    if (SERVER_AT.includes(kill)) {
      await server.kill()
      await server.restart()
      const before = [history.acknowledged.size, history.done.length] as const
      const works = () => history.acknowledged.size > before[0] && history.done.length > before[1]
      await until('all work again by themselves', works, 10_000)
    }
    const index = Math.floor(random.next() * workers.length)
    const victim = workers[index] as Worker
    await end(victim, 'kill')
    expect(victim.open.size).toBeLessThanOrEqual(IN_FLIGHT)
    for (const id of victim.open) history.untold.add(id)
    workers[index] = start(victim.role, url, queue, history)
  }
  await until('they work again', () => workers.every(({ process: child }) => child.exitCode === null))
  const before = history.done.length
  await until('tasks are done again', () => history.done.length > before + 50)
  for (const worker of workers) if (worker.role === 'producer') await end(worker, 'stop')
  const rest = await open({ url: server.url, queue })
  await until('all is done', async () => {
    const { ready, delayed } = await rest.depth()
    const done = new Set(history.done.map(({ id }) => id))
    return (
      ready === 0 && delayed === 0 && [...history.acknowledged].every((id) => done.has(id) || history.untold.has(id))
    )
  }).catch((thrown: Error) => history.faults.push(thrown.message))
  for (const worker of workers) await end(worker, 'stop')

  const { ready, delayed, dead } = await rest.depth()
  expect({ ready, delayed, dead }).toEqual({ ready: 0, delayed: 0, dead: 0 })
  const done = new Set(history.done.map(({ id }) => id))
  const lost = [...history.acknowledged].filter((id) => !done.has(id) && !history.untold.has(id))
  expect(lost).toEqual([])
  expect(history.faults).toEqual([])
  const tokens = history.done.map(({ token }) => token)
  expect(new Set(tokens).size).toBe(tokens.length)
  const twice = history.done.length - done.size
  const known = new Set([...history.acknowledged, ...history.unknown])
  // A producer that is killed leaves up to three of which it could say nothing.
  const unsaid = [...done].filter((id) => !known.has(id))
  expect(unsaid.length).toBeLessThanOrEqual(3 * KILLS)
  expect(twice).toBeLessThanOrEqual(KILLS * IN_FLIGHT)
  expect(history.acknowledged.size).toBeGreaterThan(500)
})
