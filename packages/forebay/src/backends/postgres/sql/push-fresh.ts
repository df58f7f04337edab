/**
 * Stores plain tasks under ids that nobody has, outside of any transaction of others: one statement and no function, which would
 * cost a task that comes alone as much as to store it. If one of the ids is there after all, it fails as a whole
 * (`unique_violation`), and the server logs that.
 *
 * Answers when it was: the least rank of what it stored.
 */

import { BLOCKS } from './blocks.ts'
import { NOW } from './routine.ts'

/** $1: the queue's number; then those of a task. `tasks` are rows of them with their places, from 1. */
const pushFresh = (s: string, tasks: string, count: string, order: string): string => `
  WITH now AS MATERIALIZED (
    SELECT ${NOW} AS now, nextval('${s.replaceAll("'", "''")}.batches') << 20 AS base
  ), task AS (
    INSERT INTO ${s}.tasks (seq, queue, id, created_at, rank, due, cost, priority, bytes, ordered, type, key, headers, payload)
      SELECT base + u.ord, $1::integer, u.id, now, now, now, 1, 0, octet_length(u.payload), false, u.type, u.key, u.headers, u.payload
        FROM now, ${tasks} ${order}
  ), place AS (
    INSERT INTO ${s}.waiting (queue, state, odd, priority, seq, span, place, due, rank)
      SELECT $1::integer, 0, false, 0, b.seq, b.span, now, now, now FROM now, LATERAL ${BLOCKS('base', count)}
  ), change AS (
    INSERT INTO ${s}.changes (queue, accepted, bytes) VALUES ($1::integer, ${count}, $7::bigint)
  )
  SELECT now FROM now`

/** $2 to $6: id, type, payload, key and headers; $7: the bytes of the payload. */
export const pushOneFresh = (s: string): string =>
  pushFresh(
    s,
    '(SELECT $2::text AS id, $3::text AS type, $4::text AS payload, $5::text AS key, $6::text AS headers, 1 AS ord) u',
    '1',
    '',
  )

/** $2 to $6: the same as arrays; $7: the bytes of all payloads; $8: how many they are. */
export const pushManyFresh = (s: string): string =>
  pushFresh(
    s,
    'unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY u (id, type, payload, key, headers, ord)',
    '$8::integer',
    'ORDER BY u.id',
  )
