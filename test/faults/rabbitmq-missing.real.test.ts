import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Makes every import of rabbitmq-client fail, as it does where it was not installed. */
const WITHOUT_CLIENT = `
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'rabbitmq-client') throw new Error('Cannot find package')
      return next(specifier, context)
    },
  })
`

test('without rabbitmq-client the error is MISSING_PACKAGE and says what to install', () => {
  const { href } = new URL('../../packages/forebay/src/backends/open-backend.ts', import.meta.url)
  const program = `
    const { openBackend } = await import(${JSON.stringify(href)})
    await openBackend('amqp://localhost', { queue: 'q' })
  `
  const preload = `data:text/javascript,${encodeURIComponent(WITHOUT_CLIENT).replaceAll("'", '%27')}`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: `--import=${preload}` },
  })
  expect(status).not.toBe(0)
  expect(stderr).toContain('MISSING_PACKAGE')
  expect(stderr).toContain('npm install rabbitmq-client')
})
