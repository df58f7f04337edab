/** `forebay/sqs`: the Amazon SQS backend, made by hand. */

export type { BlobStore } from './backends/blob-store.ts'
export type { SqsOptions } from './backends/sqs/open-sqs.ts'
export { openSqs, openSqs as sqs } from './backends/sqs/open-sqs.ts'
