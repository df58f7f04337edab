import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { seededRandom } from '../random.ts'
import { checkBackendUrl, openBackend } from './open-backend.ts'

const options = { queue: 'orders', clock: new VirtualClock(), random: seededRandom(1) }
const task = { id: 'a', type: 'charge', payload: '1', priority: 0, delayMs: 0 }

test('memory: is a queue of its own at each opening, memory:NAME is shared until the last one closes it', async () => {
  const [a, b] = await Promise.all(['memory:', 'memory:'].map((url) => openBackend(url, options)))
  await a?.push([task])
  expect((await b?.depth())?.ready).toBe(0)

  const [c, d] = await Promise.all(['memory:shared', 'memory:shared'].map((url) => openBackend(url, options)))
  await c?.push([task])
  expect((await d?.depth())?.ready).toBe(1)
  await Promise.all([c?.close(), d?.close()])
  expect((await (await openBackend('memory:shared', options)).depth()).ready).toBe(0)
})

test('sqlite: opens the file and takes the durability from the URL', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-open-'))
  try {
    const full = await openBackend(`sqlite:${folder}/a.db`, options)
    const normal = await openBackend(`sqlite:${folder}/b.db?durability=normal`, options)
    expect([full.capabilities.durability, normal.capabilities.durability]).toEqual(['disk', 'process'])
    await full.close()
    await normal.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.each([
  ['orders.db', 'has no scheme. Known are memory:, sqlite:, redis:'],
  ['mongodb://localhost', '"mongodb:"'],
  ['constructor:', '"constructor:"'],
  ['sqlite:', 'names no file'],
  ['sqlite::memory:', 'write memory: instead'],
  ['sqlite:a.db?durability=maybe', 'it is full or normal'],
  ['sqlite:a.db?durabilty=full', '"durabilty"'],
  ['nats:', 'names no server'],
])('%s is no backend URL, and the message says why', async (url, why) => {
  await expect(openBackend(url, options)).rejects.toMatchObject({ code: 'INVALID_URL' })
  await expect(openBackend(url, options)).rejects.toThrow(why)
  await expect(checkBackendUrl(url)).rejects.toMatchObject({
    code: 'INVALID_URL',
    message: expect.stringContaining(why),
  })
})

test.each([
  'memory:',
  'memory:shared',
  'sqlite:/nowhere/at/all.db',
  'redis://nowhere',
  'rediss://nowhere',
  'postgres://nowhere/db',
  'postgresql://nowhere/db',
  'nats://nowhere',
  'azure-queue:',
  'sqs://eu-central-1',
  'cloud-tasks://shop/europe-west1?target=https://a.example',
  'amqp://nowhere',
  'amqps://nowhere',
])('%s can be read without being opened', async (url) => {
  await checkBackendUrl(url)
})

test.each([
  'redis:',
  'postgres:// x',
  'nats:',
  'azure-queue://My_Account',
  'sqs://EU/x',
  'cloud-tasks://shop',
  'amqp:',
])('%s is refused without being opened', async (url) => {
  await expect(checkBackendUrl(url)).rejects.toMatchObject({ code: 'INVALID_URL' })
})
