/** A package that is not installed is named, and the message says how to get it. */

import { expect, test, vi } from 'vitest'

const CLOUD_TASKS = 'cloud-tasks://shop/europe-west1?target=https://shop.example&serviceAccount=a@b&listen=0'

test.each([
  ['@aws-sdk/client-sqs', 'sqs://eu-central-1', './sqs/open-sqs.ts', 'openSqs'],
  ['@azure/storage-queue', 'azure-queue://account', './azure-queue/open-azure-queue.ts', 'openAzureQueue'],
  ['@google-cloud/tasks', CLOUD_TASKS, './cloud-tasks/open-cloud-tasks.ts', 'openCloudTasks'],
  ['@azure/identity', 'azure-queue://account', './azure-queue/open-azure-queue.ts', 'openAzureQueue'],
])('%s', async (name, url, file, open) => {
  vi.doMock(name, () => {
    throw new Error('not there')
  })
  try {
    const module = await import(file)
    const opening = module[open]({ url, queue: 'orders' })
    await expect(opening).rejects.toMatchObject({ code: 'MISSING_PACKAGE' })
    await expect(opening).rejects.toThrow(`npm install ${name}`)
  } finally {
    vi.doUnmock(name)
  }
})
