/** `forebay/nats`: the NATS JetStream backend, made by hand. */

export type { NatsOptions } from './backends/nats/nats-queue-service.ts'
export { openNats, openNats as nats } from './backends/nats/nats-queue-service.ts'
