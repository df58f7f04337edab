/** The doctor at running gateways and at a backend: whole processes, as a user calls it. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dead } from '../../packages/forebay/src/consumer/outcome.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { postJson, startGateway, startTarget } from '../gateway/running.ts'

const MAIN = join(import.meta.dirname, '../../packages/forebay/src/cli/main.ts')

const doctor = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [MAIN, 'doctor', ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })

const codesOf = (stdout: string) => JSON.parse(stdout).findings.map(({ code }: { code: string }) => code)

describe('at a gateway', () => {
  it('finds nothing with a queue that flows', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ orders: { target: { url: target.url } } })
    await postJson(`${url}/v1/queues/orders/tasks`, { type: 'charge', payload: 1 })
    await target.has(1)
    const { code, stdout, stderr } = await doctor(url, '--watch', '1s')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      /^orders: 0 ready, .* watched for \d s\n {2}Nothing is wrong that can be seen from here\.\n$/,
    )
    // Its metrics say how long attempts take, under the names that the doctor reads.
    const [orders] = JSON.parse((await doctor(url, '--watch', '1s', '--json')).stdout).queues
    expect(orders.serviceP99Ms).toBeGreaterThan(0)
  })

  it('finds a rate that is below the arrivals', async () => {
    const target = await startTarget()
    const slow = { target: { url: target.url }, rate: { perSecond: 1, rampMs: 0 } }
    const { url } = await startGateway({ orders: slow })
    // One batch is there before the watch begins; during it there come far more than one a second.
    const send = () =>
      postJson(
        `${url}/v1/queues/orders/tasks`,
        Array.from({ length: 200 }, () => ({ type: 'charge', payload: 1 })),
      )
    await send()
    const asked = doctor(`${url}/v1/queues/orders`, '--watch', '4s', '--json')
    let isOver = false
    void asked.then(() => {
      isOver = true
    })
    while (!isOver) {
      await send()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    const { code, stdout } = await asked
    expect(code).toBe(1)
    expect(codesOf(stdout)).toContain('rate-below-arrivals')
  })

  it('finds poison, a pause and a service that is down, each with what to do', async () => {
    const target = await startTarget((_request, response) => {
      response.statusCode = 400
      response.end('no such order')
    })
    const { url, gateway } = await startGateway({ orders: { target: { url: target.url } } })
    for (let n = 0; n < 3; n++) await postJson(`${url}/v1/queues/orders/tasks`, { type: 'charge', payload: n })
    await target.has(3)
    const orders = gateway.queues.get('orders')
    while ((await orders?.queue.depth())?.dead !== 3) await new Promise((resolve) => setTimeout(resolve, 10))
    orders?.consumer.pause()
    await postJson(`${url}/v1/queues/orders/tasks`, { type: 'charge', payload: 4 })
    const { code, stdout } = await doctor(url, '--watch', '1s')
    expect(code).toBe(1)
    expect(stdout).toContain('stands-still: The consumer starts nothing: it is paused.')
    expect(stdout).toContain('poison-tasks: Tasks of type "charge" fail in the same way each time')
    expect(stdout).toMatch(/seen: {2}3 of the 3 dead letters that were read/)
  })

  it('says what is wrong with a target that is none', async () => {
    const target = await startTarget((_request, response) => response.end('<html>'))
    const other = await doctor(target.url, '--watch', '1s')
    expect(other).toMatchObject({ code: 3, stdout: '' })
    expect(other.stderr).toContain('BACKEND_UNAVAILABLE')
    expect(other.stderr).toContain('give the address that `forebay serve` prints')
    const { url } = await startGateway({ orders: { target: { url: target.url } } })
    const unknown = await doctor(`${url}/v1/queues/order`, '--watch', '1s')
    expect(unknown.stderr).toContain('has no queue "order"')
    expect((await doctor(url, '--watch', 'long')).code).toBe(2)
  })
})

describe('at a backend', () => {
  const folderOfTest = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'forebay-doctor-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    return folder
  }

  it('finds tasks that nothing can help, and lets one that is new wait', async () => {
    const where = `sqlite:${join(await folderOfTest(), 'q.db')}`
    const queue = await LoadLevelingQueue.open(where)
    await queue.enqueueMany(Array.from({ length: 4 }, (_, payload) => ({ type: 'mail', payload })))
    const consumer = new LeveledConsumer(queue, () => dead('no such address'), { concurrency: 4 })
    await consumer.start()
    while ((await queue.depth()).dead < 4) await new Promise((resolve) => setTimeout(resolve, 10))
    await consumer.stop()
    await queue.enqueue({ type: 'mail', payload: 5 })
    await queue.close()
    const { code, stdout } = await doctor(where, '--watch', '500ms', '--json')
    expect(code).toBe(1)
    // The one that is ready has not been so for long.
    expect(codesOf(stdout)).toEqual(['poison-tasks'])
    expect(JSON.parse(stdout).queues[0].depth).toMatchObject({ ready: 1, dead: 4 })
  })

  it('does not make a queue where there is none', async () => {
    const file = join(await folderOfTest(), 'none.db')
    const { code, stderr } = await doctor(`sqlite:${file}`, '--watch', '500ms')
    expect(code).toBe(2)
    expect(stderr).toContain(`There is no file ${file}`)
    expect(existsSync(file)).toBe(false)
  })
})
