/** What the functions of the schema have in common. */

/** Milliseconds since 1970, not of the transaction's beginning but of this moment. */
export const NOW = "date_part('epoch', clock_timestamp()) * 1000"

/**
 * Plans once and by index: with few or old statistics the planner would sometimes read the whole table, and a plan is kept for
 * as long as the connection lasts. A lock that another transaction holds is waited for, but not for ever.
 */
export const SETTINGS = `SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
    SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET lock_timeout = '5s'`

/*
 * Where a table was empty when it was vacuumed last, the planner takes a walk over its whole index for as cheap as one look-up, and
 * would join by such walks, whatever has been stored since. So each join says that it looks up.
 */

/** Of a join, that an indexed column is this value; as a range, because columns that are equal can be walked over in their order. */
export const isAt = (column: string, value: string): string => `${column} BETWEEN ${value} AND ${value}`

/** The rows of a table for which that is so (it is `a` there), for each row of what stands before; `ON true` follows. */
export const lookedUp = (table: string, condition: string, columns = 'a.*'): string =>
  `LATERAL (SELECT ${columns} FROM ${table} a WHERE ${condition} OFFSET 0)`

/** @param body A whole block, from DECLARE or BEGIN to END. */
export function routine(signature: string, returns: string, body: string): string {
  return `
  CREATE FUNCTION ${signature} RETURNS ${returns} LANGUAGE plpgsql ${SETTINGS} AS $body$
  #variable_conflict use_column
  ${body.trim()}
  $body$;`
}
