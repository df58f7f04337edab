/** Queues that are missing, that are others than we think, and what others put into them. */

import { describe, expect } from 'vitest'
import { openRabbitmq } from '../../../packages/forebay/src/backends/rabbitmq/open-rabbitmq.ts'
import { freePorts } from '../../servers/free-ports.ts'
import type { RabbitmqServer } from '../../servers/rabbitmq.ts'
import { claim, complete, errorOf, newName, open, plainConnection, serverTest, task } from './scene.ts'

export function testQueues(none: string | undefined, server: () => RabbitmqServer): void {
  describe('queues on the server', () => {
    serverTest(
      none,
      'a message that finds no queue is an error, never acknowledged; the next push makes the queue anew',
      async () => {
        const name = newName()
        const queue = await open({ url: server().url, queue: name })
        const plain = plainConnection(server().url)
        await plain.queueDelete({ queue: `forebay:${name}` })
        const { code, message } = await errorOf(queue.push([task('lost')]))
        expect(code).toBe('BACKEND_UNAVAILABLE')
        expect(message).toContain(
          `has no queue "forebay:${name}" any more and returned the message. It was not stored.`,
        )
        expect(await queue.push([task('kept')])).toEqual([{ status: 'accepted', id: 'kept' }])
        expect((await claim(queue)).map(({ id }) => id)).toEqual(['kept'])
      },
    )

    serverTest(none, 'a copy that finds no queue leaves the task with its holder', async () => {
      const name = newName()
      const queue = await open({ url: server().url, queue: name })
      await queue.push([task('a')])
      const [held] = await claim(queue)
      await plainConnection(server().url).queueDelete({ queue: `forebay:${name}:dead` })
      const dead = { outcome: 'dead', reason: 'refused' } as const
      const [failed] = await queue.settle([{ claim: held as never, ...dead }])
      expect(failed).toMatchObject({ status: 'failed', error: { code: 'BACKEND_UNAVAILABLE' } })
      expect(await queue.settle([{ claim: held as never, ...dead }])).toEqual([{ status: 'settled' }])
      expect((await queue.dead.list({ limit: 9 })).items.map(({ task: { id } }) => id)).toEqual(['a'])
    })

    serverTest(
      none,
      'a queue that was made with other arguments is refused in a sentence, and left as it is',
      async () => {
        const name = newName()
        const plain = plainConnection(server().url)
        await plain.queueDeclare({ queue: `forebay:${name}`, durable: true })
        const { code, message } = await errorOf(openRabbitmq({ url: server().url, queue: name }))
        expect(code).toBe('INVALID_OPTION')
        expect(message).toContain(`The queue "forebay:${name}" at 127.0.0.1:`)
        expect(message).toContain("was made with another x-queue-type (received the value 'quorum'")
        expect((await plain.queueDeclare({ queue: `forebay:${name}`, passive: true })).messageCount).toBe(0)
        const elsewhere = await open({ url: `${server().url}?prefix=other`, queue: name })
        expect((await elsewhere.depth()).ready).toBe(0)
      },
    )

    serverTest(none, 'what somebody else put into the queue is buried with its text, and holds up nobody', async () => {
      const name = newName()
      const queue = await open({ url: server().url, queue: name })
      const plain = plainConnection(server().url)
      const publisher = plain.createPublisher({ confirm: true })
      await publisher.send(`forebay:${name}`, 'hello')
      await publisher.send(
        { routingKey: `forebay:${name}`, contentType: 'application/vnd.forebay.task' },
        Buffer.from('{}\n1'),
      )
      await publisher.close()
      await queue.push([task('ours')])
      expect((await claim(queue, 1, 5_000)).map(({ id }) => id)).toEqual(['ours'])
      const { items } = await queue.dead.list({ limit: 9 })
      expect(items.map(({ reason, task: { payload, type } }) => [reason, type, payload])).toEqual([
        ['unreadable', 'unknown', '"hello"'],
        ['unreadable', 'unknown', JSON.stringify('{}\n1')],
      ])
      expect(await queue.dead.drop('all')).toBe(2)
    })

    serverTest(
      none,
      'no server, a wrong password and a wrong virtual host are told at once, without the password',
      async () => {
        const [port] = await freePorts(1)
        const away = await errorOf(openRabbitmq({ url: `amqp://guest:secret@127.0.0.1:${port}` }))
        expect(away).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') })
        const url = new URL(server().url)
        url.password = 'secret'
        const refused = await errorOf(openRabbitmq({ url: url.href }))
        expect(refused).toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          message: expect.stringContaining('refused access'),
        })
        const nowhere = await errorOf(openRabbitmq({ url: `${server().url}/nowhere` }))
        expect(nowhere).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('nowhere') })
        for (const { message } of [away, refused, nowhere]) expect(message).not.toContain('secret')
      },
    )

    serverTest(none, 'a bound is kept about: by what is there, and exactly by one producer alone', async () => {
      const queue = await open({ url: server().url, queue: newName() })
      const push = async (count: number) => {
        const tasks = Array.from({ length: count }, (_, n) => task(`t${n}`))
        return (await queue.push(tasks, { maxDepth: 5 })).filter(({ status }) => status === 'accepted').length
      }
      expect([await push(3), await push(3), await push(1)]).toEqual([3, 2, 0])
      await complete(queue, await claim(queue, 2))
      expect([await push(1), await push(9)]).toEqual([1, 1])
      expect(await errorOf(queue.push([task('a')], { maxBytes: 5 }))).toMatchObject({
        code: 'UNSUPPORTED',
        path: 'maxBytes',
      })
      const overflow = 'drop-oldest'
      expect(await errorOf(queue.push([task('a')], { maxDepth: 9, overflow }))).toMatchObject({ path: 'overflow' })
    })

    serverTest(none, 'two that look at the dead letters at the same time both see all of them', async () => {
      const name = newName()
      const queues = [await open({ url: server().url, queue: name }), await open({ url: server().url, queue: name })]
      const [queue] = queues as [(typeof queues)[0]]
      await queue.push(Array.from({ length: 50 }, (_, n) => task(`t${n}`)))
      const claims = await claim(queue)
      await queue.settle(claims.map((one) => ({ claim: one, outcome: 'dead', reason: 'refused' })))
      const lists = await Promise.all([...queues, ...queues].map((one) => one.dead.list({ limit: 99 })))
      for (const { items } of lists) expect(items.map(({ task: { id } }) => id)).toEqual(claims.map(({ id }) => id))
    })
  })
}
