/** `forebay/redis`: the Redis backend, made by hand. */

export type { RedisOptions } from './backends/redis/redis-queue-service.ts'
export { openRedis, openRedis as redis } from './backends/redis/redis-queue-service.ts'
