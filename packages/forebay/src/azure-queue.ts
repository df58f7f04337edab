/** `forebay/azure-queue`: the Azure Queue Storage backend, made by hand. */

export type { AzureQueueOptions } from './backends/azure-queue/open-azure-queue.ts'
export { openAzureQueue as azureQueue, openAzureQueue } from './backends/azure-queue/open-azure-queue.ts'
export type { BlobStore } from './backends/blob-store.ts'
