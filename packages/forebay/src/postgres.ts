/** `forebay/postgres`: the PostgreSQL backend, made by hand. */

export type { PgPool, PgPoolClient, PgQueryable } from './backends/postgres/driver.ts'
export type { PostgresOptions } from './backends/postgres/postgres-queue-service.ts'
export { openPostgres } from './backends/postgres/postgres-queue-service.ts'
