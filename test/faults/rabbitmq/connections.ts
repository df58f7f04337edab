/** Connections that are cut, that stand without a word, that the server blocks; and a holder that stands still. */

import { describe, expect } from 'vitest'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../../packages/forebay/src/queue/load-leveling-queue.ts'
import type { OwnRabbitmq } from '../../servers/rabbitmq.ts'
import {
  afterwards,
  claim,
  complete,
  errorOf,
  Holder,
  newName,
  open,
  plainConnection,
  proxied,
  serverTest,
  task,
  until,
} from './scene.ts'

export function testConnections(none: string | undefined, server: () => OwnRabbitmq): void {
  describe('connections', () => {
    serverTest(
      none,
      'after a cut no token of before acknowledges anything, although the server counts anew',
      async () => {
        const { proxy, url } = await proxied(server().port)
        const name = newName()
        const queue = await open({ url, queue: name })
        await queue.push(['a', 'b', 'c'].map((id) => task(id)))
        const before = await claim(queue)
        proxy.cut()
        const after: Awaited<ReturnType<typeof claim>> = []
        await until('all are granted again', async () => {
          after.push(...(await claim(queue, 3, 1_000).catch(() => [])))
          return after.length === 3
        })
        expect(after.map(({ task: { attempts } }) => attempts)).toEqual([2, 2, 2])
        expect(await complete(queue, before)).toEqual(['stale', 'stale', 'stale'])
        expect((await queue.depth()).inFlight).toBe(3)
        expect(await complete(queue, after.slice(0, 1))).toEqual(['settled'])
        await queue.close()
        const other = await open({ url: server().url, queue: name })
        const left = await claim(other, 3, 5_000)
        expect(left.map(({ id }) => id).sort()).toEqual(
          after
            .slice(1)
            .map(({ id }) => id)
            .sort(),
        )
      },
    )

    serverTest(none, 'a consumer goes on by itself after cuts, and no task is lost', async () => {
      const { proxy, url } = await proxied(server().port)
      const queue = await LoadLevelingQueue.open(url, { name: newName() })
      afterwards(() => queue.close())
      const done = new Set<number>()
      const codes = new Set<string>()
      const consumer = new LeveledConsumer(queue, (one) => void done.add(one.payload as number), { concurrency: 8 })
      consumer.on('error', ({ error }) => codes.add(error.code))
      await consumer.start()
      const accepted: number[] = []
      const producing = (async () => {
        for (let n = 0; n < 300; n++) {
          const stored = await queue.enqueue({ type: 't', payload: n }).catch(() => undefined)
          if (stored) accepted.push(n)
          await sleep(systemClock, 5)
        }
      })()
      for (let cut = 0; cut < 3; cut++) {
        await sleep(systemClock, 400)
        proxy.cut()
      }
      await producing
      await until('all that were accepted are done', () => accepted.every((n) => done.has(n)))
      await consumer.stop()
      expect(accepted.length).toBeGreaterThan(100)
      expect([...codes].filter((code) => code !== 'BACKEND_UNAVAILABLE')).toEqual([])
    })

    serverTest(none, 'a half-open connection is noticed by its silence, and replaced', async () => {
      const { proxy, url } = await proxied(server().port, 1)
      const name = newName()
      const queue = await open({ url, queue: name })
      const other = await open({ url: server().url, queue: name })
      await queue.push([task('held')])
      await claim(queue)
      proxy.silence()
      const began = systemClock.monotonic()
      const { code, message } = await errorOf(queue.push([task('lost')]))
      expect(code).toBe('BACKEND_UNAVAILABLE')
      expect(message).toContain('Whether it was stored is not known.')
      // The server notices as well, and gives the task to somebody else.
      expect((await claim(other, 1, 10_000)).map(({ id }) => id)).toEqual(['held'])
      expect(systemClock.monotonic() - began).toBeLessThan(15_000)
      proxy.heal()
      await until('it is connected again', () =>
        queue.push([task('kept')]).then(
          () => true,
          () => false,
        ),
      )
      const ids = (await claim(other, 9, 5_000)).map(({ id }) => id)
      expect(ids).toContain('kept')
    })

    serverTest(
      none,
      'a holder that stood still beyond its lease is refused; its task was given to another',
      async () => {
        const name = newName()
        const queue = await open({ url: server().url, queue: name })
        await queue.push([task('a')])
        const holder = new Holder(`${server().url}?heartbeat=1`, name, 1_500)
        expect(await holder.line()).toBe('granted a 1')
        holder.process.kill('SIGSTOP')
        const [again] = await claim(queue, 1, 10_000)
        expect([again?.id, again?.task.attempts]).toEqual(['a', 2])
        holder.process.stdin.write('complete\n')
        holder.process.kill('SIGCONT')
        expect(await holder.line()).toBe('stale')
        expect(await complete(queue, again ? [again] : [])).toEqual(['settled'])
        expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0 })
        await holder.kill()
      },
    )

    serverTest(
      none,
      'a holder that stood still beyond its lease, and not for so long that the server knows, gives it back',
      async () => {
        const name = newName()
        const queue = await open({ url: server().url, queue: name })
        await queue.push([task('a')])
        const holder = new Holder(server().url, name, 300)
        expect(await holder.line()).toBe('granted a 1')
        holder.process.kill('SIGSTOP')
        await sleep(systemClock, 600)
        expect(await claim(queue)).toEqual([])
        holder.process.stdin.write('complete\n')
        holder.process.kill('SIGCONT')
        expect(await holder.line()).toBe('stale')
        expect((await claim(queue, 1, 5_000)).map(({ task: { attempts } }) => attempts)).toEqual([2])
        await holder.kill()
      },
    )

    serverTest(
      none,
      'a server without memory takes no tasks, says so, and goes on giving out; afterwards all is as before',
      async () => {
        const queue = await open({ url: server().url, queue: newName() })
        const single = await open({ connection: plainConnection(server().url), queue: newName() })
        await queue.push([task('a'), task('b'), task('c')])
        server().ctl('set_vm_memory_high_watermark', '0.000001')
        try {
          // The server blocks a connection with the first message that comes over it.
          const first = await errorOf(queue.push([task('d')]))
          expect(first.message).toContain('Whether it was stored is not known. It goes on by itself.')
          const { code, message } = await errorOf(queue.push([task('e')]))
          expect(code).toBe('BACKEND_UNAVAILABLE')
          expect(message).toMatch(
            /takes no messages for now \(low on memory\). Nothing was stored. It goes on by itself./,
          )
          const [a, b] = await claim(queue, 2)
          expect(await complete(queue, a ? [a] : [])).toEqual(['settled'])
          const [failed] = await queue.settle([{ claim: b as never, outcome: 'release', delayMs: 0 }])
          expect(failed).toMatchObject({ status: 'failed', error: { code: 'BACKEND_UNAVAILABLE' } })
          expect((await queue.depth()).inFlight).toBe(1)
          // Over one connection of one's own nothing goes on, and that is said.
          await errorOf(single.push([task('g')]))
          expect(await errorOf(claim(single))).toMatchObject({
            code: 'BACKEND_UNAVAILABLE',
            message: expect.stringContaining('takes no messages for now (low on memory). Nothing was done.'),
          })
        } finally {
          server().ctl('set_vm_memory_high_watermark', '0.4')
        }
        await until('it takes tasks again', () =>
          queue.push([task('f')]).then(
            () => true,
            () => false,
          ),
        )
        // The message of which nothing was known is stored after all: the server had only not read it yet.
        const ids = (await claim(queue, 9)).map(({ id }) => id)
        expect(ids).toEqual(['c', 'd', 'f'])
      },
    )
  })
}
