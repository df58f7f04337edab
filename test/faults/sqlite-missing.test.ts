import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { newFolder } from './sqlite-scene.ts'

const ENQUEUER = fileURLToPath(new URL('./sqlite-enqueuer.process.ts', import.meta.url))

/** Makes every import of better-sqlite3 fail, as it does where its binary was not installed. */
const WITHOUT_DRIVER = `
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'better-sqlite3') throw new Error('Cannot find package')
      return next(specifier, context)
    },
  })
`

test('without better-sqlite3 the error is MISSING_PACKAGE and says what to install', () => {
  const preload = `data:text/javascript,${encodeURIComponent(WITHOUT_DRIVER).replaceAll("'", '%27')}`
  const { status, stderr } = spawnSync(process.execPath, [ENQUEUER, join(newFolder(), 'queue.db'), 'full', '1'], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: `--import=${preload}` },
  })
  expect(status).not.toBe(0)
  expect(stderr).toContain('MISSING_PACKAGE')
  expect(stderr).toContain('npm install better-sqlite3')
})
