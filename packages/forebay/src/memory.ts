/** `forebay/memory`: the memory backend, made by hand. */

export { openMemory } from './backends/memory/memory-queue-service.ts'
