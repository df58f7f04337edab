import { expect, test } from 'vitest'
import { haveNats } from '../servers/nats.ts'
import { codeOf, drain, insist, open, startServer, task } from './nats-scene.ts'

if (haveNats('a full store of nats:')) {
  test('a full store acknowledges nothing, loses nothing, and the queue goes on when there is space', async () => {
    const server = await startServer('max_file_store: 300KB')
    const queue = await open(server.port)
    const payload = JSON.stringify('x'.repeat(10_000))
    const acknowledged: string[] = []
    const codes: unknown[] = []
    for (let n = 0; codes.length < 5; n++) {
      await queue.push([task(`t${n}`, { payload })]).then(
        () => acknowledged.push(`t${n}`),
        (thrown: unknown) => codes.push(codeOf(thrown)),
      )
    }
    expect(codes).toEqual(Array(5).fill('DISK_FULL'))
    expect(acknowledged.length).toBeGreaterThan(10)
    await server.stop('SIGTERM')
    server.configure('max_file_store: 10MB')
    await server.start()
    await insist(() => queue.push([task('last')]))
    expect(await drain(queue)).toEqual([...acknowledged, 'last'])
  })
}
