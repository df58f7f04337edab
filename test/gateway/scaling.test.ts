/** The scaling signal of a gateway: as JSON, and by gRPC as KEDA asks. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { Keda } from './keda-client.ts'
import { openGateway, startTarget } from './running.ts'

const object = (metadata: object) => ({ name: 'workers', namespace: 'shop', scalerMetadata: metadata })
const SCALING = { waitMs: 60_000, startUpMs: 30_000, controlMs: 15_000 }

/** Its time moves by the test alone; its target takes 10 s for each task, by that time. */
async function scene(queues: Record<string, object>) {
  const clock = new VirtualClock()
  const target = await startTarget()
  const whole = Object.fromEntries(
    Object.entries(queues).map(([name, queue]) => [name, { target: target.url, paused: true, ...queue }]),
  )
  const gateway = await openGateway(whole, { kedaListen: '127.0.0.1:0' }, { clock })
  onTestFinished(() => gateway.stop(0))
  await gateway.start()
  const fill = async (name: string, count: number) => {
    const tasks = Array.from({ length: count }, () => ({ type: 'work', payload: {} }))
    await gateway.queues.get(name)?.queue.enqueueMany(tasks)
  }
  const scale = async (name: string) => {
    const reply = await gateway.app.inject({ url: `/v1/queues/${name}/scale` })
    return { status: reply.statusCode, body: reply.json() }
  }
  return { clock, gateway, fill, scale, keda: new Keda(gateway.kedaPort as number) }
}

describe('the scaling signal', () => {
  it('by gRPC: nothing is active, then a task comes, and KEDA is told at once how many workers it takes', async () => {
    const { clock, fill, keda, scale } = await scene({ orders: { scaling: SCALING } })
    const orders = object({ queue: 'orders' })
    expect(await keda.ask('IsActive', orders)).toEqual({ result: false })
    expect(await keda.ask('GetMetricSpec', orders)).toEqual({
      metricSpecs: [{ metricName: 'forebay_desired_workers', targetSize: expect.anything(), targetSizeFloat: 1 }],
    })
    const stream = keda.stream(orders)[Symbol.asyncIterator]()
    expect((await stream.next()).value).toEqual({ result: false })

    await fill('orders', 3)
    await clock.advance(15_000)
    expect((await stream.next()).value).toEqual({ result: true })
    expect(await keda.ask('IsActive', orders)).toEqual({ result: true })
    expect(await keda.ask('GetMetrics', { scaledObjectRef: orders, metricName: 'forebay_desired_workers' })).toEqual({
      metricValues: [{ metricName: 'forebay_desired_workers', metricValue: expect.anything(), metricValueFloat: 1 }],
    })
    expect(await scale('orders')).toEqual({
      status: 200,
      body: {
        desiredWorkers: 1,
        reason: '3 tasks waiting, and no service time was measured yet: one worker, to measure it.',
        boundBy: 'objective',
        usefulWorkers: null,
        lateShare: 0,
        arrivalsPerSecond: 0.2,
      },
    })
  })

  it('the queue need not be named where there is one; what is wrong is told with its status', async () => {
    const one = await scene({ orders: { scaling: SCALING }, other: {} })
    expect(await one.keda.ask('IsActive', object({}))).toEqual({ result: false })
    await expect(one.keda.ask('IsActive', object({ queue: 'other' }))).rejects.toMatchObject({
      code: 5,
      details: 'No queue "other" has a scaling objective; these have: orders.',
    })
    const two = await scene({ orders: { scaling: SCALING }, mails: { scaling: SCALING } })
    await expect(two.keda.ask('GetMetrics', { scaledObjectRef: object({}) })).rejects.toMatchObject({
      code: 3,
      details: "Name the queue in the trigger's metadata, such as queue: orders.",
    })
    await expect(
      two.keda
        .stream(object({ queue: 'none' }))
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toMatchObject({ code: 5 })
  })

  it('as JSON: refused for a queue without an objective, with what to do', async () => {
    const { scale } = await scene({ orders: { scaling: SCALING }, other: {} })
    expect(await scale('other')).toMatchObject({
      status: 404,
      body: {
        error: {
          code: 'NOT_FOUND',
          message: 'Queue "other" has no objective to scale by; give it one: scaling: { waitMs: 60000 }.',
        },
      },
    })
    expect((await scale('none')).status).toBe(404)
  })

  it('as Prometheus text, each queue once it was decided on', async () => {
    const { clock, fill, gateway } = await scene({
      orders: { scaling: { ...SCALING, max: 7 } },
      mails: { scaling: SCALING },
      other: {},
    })
    await fill('mails', 2)
    await clock.advance(15_000)
    const reply = await gateway.app.inject({ url: '/metrics/scaling' })
    expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    const samples = reply.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(samples).toEqual([
      'forebay_desired_workers{queue="orders"} 0',
      'forebay_desired_workers{queue="mails"} 1',
      'forebay_late_share_ratio{queue="orders"} 0',
      'forebay_late_share_ratio{queue="mails"} 0',
    ])
    expect(reply.body.match(/^# TYPE \w+ gauge$/gm)).toHaveLength(3)
    const metrics = await gateway.app.inject({ url: '/metrics' })
    const signals = metrics.body.split('\n').filter((line) => /^forebay_(desired|useful|late)/.test(line))
    expect(signals).toEqual(samples)
  })

  it('that nobody could use is refused when it is configured', async () => {
    const { url } = await startTarget()
    await expect(openGateway({ orders: { target: url } }, { kedaListen: '127.0.0.1:0' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    })
    const wrong = openGateway({ orders: { target: url, scaling: { min: 9, max: 3 } } })
    await expect(wrong).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('min is at most max'),
    })
  })
})
