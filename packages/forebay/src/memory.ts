/** `forebay/memory`: the memory backend, made by hand. */

export type { MemoryOptions } from './backends/memory/memory-queue-service.ts'
export { openMemory } from './backends/memory/memory-queue-service.ts'
