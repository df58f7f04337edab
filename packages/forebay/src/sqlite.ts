/** `forebay/sqlite`: the SQLite backend, made by hand. */

export type { SqliteOptions } from './backends/sqlite/sqlite-queue-service.ts'
export { openSqlite } from './backends/sqlite/sqlite-queue-service.ts'
