/** `forebay/cloud-tasks`: the Google Cloud Tasks backend, made by hand. */

export type { BlobStore } from './backends/blob-store.ts'
export type { CloudTasksQueueService } from './backends/cloud-tasks/cloud-tasks-queue-service.ts'
export type { InForce, Level } from './backends/cloud-tasks/leveling.ts'
export type { FetchKeys } from './backends/cloud-tasks/oidc.ts'
export type { CloudTasksOptions } from './backends/cloud-tasks/open-cloud-tasks.ts'
export { openCloudTasks as cloudTasks, openCloudTasks } from './backends/cloud-tasks/open-cloud-tasks.ts'
export { openReceiver, type Receiver, type ReceiverOptions } from './backends/cloud-tasks/receiver.ts'
