import { once } from 'node:events'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { haveNats } from '../servers/nats.ts'
import { type ConsumerProcess, insist, open, startConsumer, startServer, task } from './nats-scene.ts'

const KILLS = 50
const CONSUMERS = 3
const LEASE_MS = 1_000

/** Between the reading of a clock and what is done there lies a little, and the server's clock is known only so well. */
const TOLERANCE_MS = 40

interface Grant {
  readonly token: string
  readonly attempts: number
  /** When its claim was asked for and answered, and when the lease ends if it was granted just before the answer. */
  readonly askedAt: number
  readonly at: number
  readonly endsAt: number
  readonly order: number
}

/** What happened to each task, in the order in which it was heard. */
class History {
  readonly grants = new Map<string, Grant[]>()
  /** Tokens that may have been retried, whether the answer was heard or not. */
  readonly retried = new Set<string>()
  /** By token, the outcomes that the queue accepted. */
  readonly settled = new Map<string, string[]>()
  /** By id, in which order it was completed first. */
  readonly completed = new Map<string, number>()
  /** By id, what was heard of it: for the message of a failure. */
  readonly lines = new Map<string, string[]>()
  #order = 0

  readonly hear = ([word, id = '', token = '', ...rest]: string[]): void => {
    const order = ++this.#order
    this.lines.set(id, [
      ...(this.lines.get(id) ?? []),
      `${order} at ${systemClock.monotonic()}: ${[word, token, ...rest].join(' ')}`,
    ])
    if (word === 'grant') {
      const [attempts = 0, askedAt = 0, at = 0, endsAt = 0] = rest.map(Number)
      const before = this.grants.get(id) ?? []
      this.grants.set(id, [...before, { token, attempts, askedAt, at, endsAt, order }])
    }
    if (word === 'settling' && rest[0] === 'retry') this.retried.add(token)
    if (word !== 'settle' || rest[1] !== 'settled') return
    this.settled.set(token, [...(this.settled.get(token) ?? []), rest[0] as string])
    if (rest[0] === 'complete' && !this.completed.has(id)) this.completed.set(id, order)
  }
}

if (haveNats('kill -9 of the nats server and of consumers')) {
  test(`${KILLS} kills of the server or a consumer: nothing is lost, and nothing runs twice unless a lease was over`, async () => {
    const random = seededRandom(20_261_125)
    const server = await startServer()
    const queue = await open(server.port, { timeoutMs: 1_000 })
    const history = new History()
    const start = (seed: number) => startConsumer(server.port, { leaseMs: LEASE_MS, seed }, history.hear)
    const consumers: ConsumerProcess[] = Array.from({ length: CONSUMERS }, (_, index) => start(index))

    const acknowledged: string[] = []
    const repeated = new Set<string>()
    /** When the server was killed, by the boot's clock. */
    const outages: number[] = []
    let producing = true
    const produce = async (lane: number) => {
      for (let count = 0; producing; count++) {
        const id = `${lane}-${count}`
        const delayMs = random.next() < 0.2 ? 30 : 0
        let asked = 0
        await insist(() => {
          // Whether the last one was stored is not known. If it was and is completed by now, this makes a second task of the id.
          if (asked++ > 0) repeated.add(id)
          return queue.push([task(id, { delayMs })])
        })
        acknowledged.push(id)
        await sleep(systemClock, random.next() * 40)
      }
    }
    const producers = [0, 1, 2, 3].map(produce)

    for (let kill = 0; kill < KILLS; kill++) {
      // Under load: something was stored since the last one.
      for (const before = acknowledged.length; acknowledged.length <= before; ) await sleep(systemClock, 10)
      await sleep(systemClock, random.next() * 600)
      const victim = Math.floor(random.next() * (CONSUMERS + 2))
      history.hear(['kill', 'server and consumers', String(victim)])
      if (victim >= CONSUMERS) {
        outages.push(systemClock.monotonic())
        await server.stop('SIGKILL')
        await server.start()
      } else {
        const { process: child } = consumers[victim] as ConsumerProcess
        child.kill('SIGKILL')
        await once(child, 'exit')
        consumers[victim] = start(100 + kill)
      }
    }
    producing = false
    await Promise.all(producers)
    const until = systemClock.monotonic() + 20_000
    let depth = await queue.depth()
    while (depth.ready + depth.delayed + depth.inFlight > 0 && systemClock.monotonic() < until) {
      await sleep(systemClock, 50)
      depth = await queue.depth()
    }
    for (const { process: child } of consumers) child.kill('SIGKILL')

    const lost = acknowledged.filter((id) => !history.completed.has(id))
    // One whose completion was stored, and its consumer killed before it could say so, was not granted again and is not there.
    const gone = await queue.find(lost)
    expect(gone.filter((found) => found !== undefined)).toEqual([])
    expect(lost.filter((id) => !history.grants.has(id))).toEqual([])
    expect(lost.length).toBeLessThanOrEqual(KILLS * 4)
    expect([depth.ready, depth.delayed, depth.inFlight]).toEqual([0, 0, 0])
    for (const [token, outcomes] of history.settled) expect(outcomes, token).toHaveLength(1)
    let again = 0
    const kills = history.lines.get('server and consumers')
    // A claim that the death of the server cuts comes back when its requests have timed out, with what it was granted before.
    const cameLate = ({ askedAt, at }: Grant) => outages.some((killed) => askedAt < killed && killed < at)
    for (const [id, grants] of history.grants) {
      if (repeated.has(id)) continue
      expect(new Set(grants.map(({ token }) => token)).size, `the tokens of ${id}`).toBe(grants.length)
      const done = history.completed.get(id)
      for (const [index, grant] of grants.entries()) {
        if (done !== undefined)
          expect(
            grant.order,
            `a grant of ${id} after its end: ${history.lines.get(id)?.join('; ')}; the kills: ${kills?.join('; ')}`,
          ).toBeLessThan(done)
        const before = grants[index - 1]
        if (!before) continue
        expect(grant.attempts, `the attempts of ${id}`).toBeGreaterThan(before.attempts)
        if (history.retried.has(before.token) || cameLate(before)) continue
        again++
        expect(grant.at + TOLERANCE_MS, `the second grant of ${id}`).toBeGreaterThan(before.endsAt)
      }
    }
    const heard = `${again} granted again after their lease, ${lost.length} ended unheard`
    process.stderr.write(`${acknowledged.length} tasks, ${KILLS} kills: ${heard}\n`)
    // What is passed over is little.
    expect(repeated.size).toBeLessThan(KILLS * 8)
    expect(history.completed.size).toBeGreaterThan(KILLS * 10)
  }, 120_000)
}
