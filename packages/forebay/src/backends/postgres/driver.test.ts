import { expect, test } from 'vitest'
import { loadDriver } from './driver.ts'

test('without the package the error says what to install', async () => {
  await expect(loadDriver(() => Promise.reject(new Error("Cannot find package 'pg'")))).rejects.toMatchObject({
    code: 'MISSING_PACKAGE',
    message: expect.stringContaining('npm install pg'),
  })
})
