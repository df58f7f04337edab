import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import type { Claim } from '../../packages/forebay/src/backends/queue-service.ts'
import { haveNats } from '../servers/nats.ts'
import { afterwards, claimOne, drain, insist, newFolder, open, startServer, task } from './nats-scene.ts'

interface State {
  readonly last_seq: number
}

/** Streams as an operator's tool sees them. */
async function operator(port: number) {
  const connection = await connect({ servers: `127.0.0.1:${port}` })
  afterwards(() => connection.close())
  const api = async <Answer>(endpoint: string, body: object = {}) =>
    (await connection.request(`$JS.API.${endpoint}`, JSON.stringify(body))).json<Answer>()
  const { streams } = await api<{ streams: [string] }>('STREAM.NAMES', { subject: 'forebay.orders.t.*' })
  const [tasks] = streams
  const lastOf = async (stream: string) => (await api<{ state: State }>(`STREAM.INFO.${stream}`)).state.last_seq
  /** Whether the message with the highest sequence is there, if there ever was one. */
  const keepsItsLast = async (stream: string) => {
    const seq = await lastOf(stream)
    if (seq === 0) return true
    const answer = await api<{ error?: unknown }>(`STREAM.MSG.GET.${stream}`, { seq })
    return answer.error === undefined
  }
  return { api, tasks, lastOf, keepsItsLast }
}

const FAILURE = { attempt: 1, at: 0, code: 'Error', message: 'once more' }

/** What the queue's tasks may go through; each leaves nothing. */
const ENDS = {
  'is completed': async (queue) => {
    await queue.push([task('a')])
    await queue.settle([{ claim: await claimOne(queue), outcome: 'complete' }])
  },
  'is retried and then completed': async (queue) => {
    await queue.push([task('a')])
    await queue.settle([{ claim: await claimOne(queue), outcome: 'retry', delayMs: 0, failure: FAILURE }])
    await queue.settle([{ claim: await claimOne(queue), outcome: 'complete' }])
  },
  'falls due and is completed': async (queue) => {
    await queue.push([task('a', { delayMs: 50 })])
    await queue.settle([{ claim: await claimOne(queue), outcome: 'complete' }])
  },
  'dies and is dropped': async (queue) => {
    await queue.push([task('a')])
    await queue.settle([{ claim: await claimOne(queue), outcome: 'dead', reason: 'refused' }])
    expect(await queue.dead.drop('all')).toBe(1)
  },
} satisfies Record<string, (queue: Awaited<ReturnType<typeof open>>) => Promise<void>>

if (haveNats('emptied queues of nats:')) {
  test.each(Object.entries(ENDS))('a queue whose last task %s is empty, and its streams are not', async (_, end) => {
    const server = await startServer()
    const [queue, other] = [await open(server.port), await open(server.port)]
    const { tasks, keepsItsLast } = await operator(server.port)
    for (const one of [queue, other, queue]) {
      await end(one)
      expect(await keepsItsLast(tasks)).toBe(true)
      expect(await keepsItsLast('forebay-orders-later')).toBe(true)
      expect(await one.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0 })
    }
  })

  test('a claim is granted as many as it asked for, with an anchor among them', async () => {
    const server = await startServer()
    const queue = await open(server.port)
    await queue.push([task('a')])
    expect(await drain(queue)).toEqual(['a'])
    await queue.push(['b', 'c', 'd', 'e'].map((id) => task(id)))
    const claims = await queue.claim({ max: 4, leaseMs: 60_000, waitMs: 5_000 })
    expect(claims.map(({ id }) => id)).toEqual(['b', 'c', 'd', 'e'])
  })

  test('a server that was killed before it wrote down what it had removed goes on counting, and loses nothing', async () => {
    const folder = newFolder()
    const server = await startServer('', folder)
    const queue = await open(server.port, { timeoutMs: 1_000 })
    const { tasks, lastOf } = await operator(server.port)
    const index = join(folder, 'store/jetstream/$G/streams', tasks, 'msgs/1.idx')
    const ids = (lane: string) => Array.from({ length: 40 }, (_, count) => `${lane}-${count}`)
    await queue.push(ids('before').map((id) => task(id)))
    // Servers of 2.9 write it down every two seconds, and when the last message goes: this is what stands there until then.
    const isWritten = existsSync(index)
    if (isWritten) copyFileSync(index, join(folder, 'saved.idx'))
    expect((await drain(queue)).sort()).toEqual(ids('before').sort())
    const last = await lastOf(tasks)
    await server.stop('SIGKILL')
    if (isWritten) copyFileSync(join(folder, 'saved.idx'), index)
    await server.start()
    await insist(() => queue.push(ids('after').map((id) => task(id))))
    expect((await drain(queue)).sort()).toEqual(ids('after').sort())
    const again = await operator(server.port)
    expect(await again.lastOf(tasks)).toBeGreaterThanOrEqual(last + 40)
    for (let waited = 0; (await queue.depth()).inFlight > 0 && waited < 50; waited++) await sleep(systemClock, 100)
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0 })
  })

  test('a server that was killed and counts removed tasks as there loses none of the others', async () => {
    const folder = newFolder()
    const server = await startServer('', folder)
    const queue = await open(server.port, { timeoutMs: 1_000 })
    const { tasks } = await operator(server.port)
    const index = join(folder, 'store/jetstream/$G/streams', tasks, 'msgs/1.idx')
    const ids = Array.from({ length: 40 }, (_, count) => `task-${count}`)
    await queue.push(ids.map((id) => task(id)))
    const [first, second, ...others] = await queue.claim({ max: 5, leaseMs: 60_000, waitMs: 5_000 })
    const complete = (claims: readonly (Claim | undefined)[]) =>
      queue.settle(claims.map((claim) => ({ claim: claim as Claim, outcome: 'complete' })))
    // Servers of 2.9 write down what they removed at most every half second, and rely on it if nothing was stored since.
    await sleep(systemClock, 700)
    await complete([second])
    const isWritten = existsSync(index)
    if (isWritten) copyFileSync(index, join(folder, 'saved.idx'))
    await complete(others)
    await server.stop('SIGKILL')
    if (isWritten) copyFileSync(join(folder, 'saved.idx'), index)
    await server.start()
    await insist(() => queue.push([task('between')]))
    expect(await complete([first])).toEqual([{ status: 'settled' }])
    await queue.push([task('last')])
    expect((await drain(queue)).sort()).toEqual([...ids.slice(5), 'between', 'last'].sort())
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0 })
  })

  test('a consumer that a killed server lets wait for what is gone is told of it', async () => {
    const server = await startServer()
    const queue = await open(server.port, { timeoutMs: 1_000 })
    await queue.push(['a', 'b', 'c'].map((id) => task(id)))
    expect(await queue.claim({ max: 2, leaseMs: 60_000, waitMs: 5_000 })).toHaveLength(2)
    const before = await operator(server.port)
    // As if they had been completed, and the server had lost that its consumer knows.
    for (const seq of [2, 3]) await before.api(`STREAM.MSG.DELETE.${before.tasks}`, { seq })
    // It writes down what was handed out a moment later.
    await sleep(systemClock, 1_000)
    await server.stop('SIGKILL')
    await server.start()
    await insist(() => queue.depth())
    const { api, tasks } = await operator(server.port)
    const waitsFor = async () =>
      (await api<{ num_ack_pending: number }>(`CONSUMER.INFO.${tasks}.ready`)).num_ack_pending
    while ((await waitsFor()) > 0) await sleep(systemClock, 20)
    expect(await drain(queue)).toEqual(['c'])
  })
}
