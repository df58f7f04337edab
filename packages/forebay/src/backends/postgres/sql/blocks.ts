/**
 * Blocks: plain tasks that were pushed together, up to 64 with numbers that follow one another, are one row of `waiting`, of which
 * `span` is how many they are. They have their place, rank and due time in common. A claim takes whole rows, or the beginning of
 * one. Who looks at tasks one by one unfolds first those rows that it is about to look at.
 */

import { GRANT_SIZE } from '../token.ts'
import { routine } from './routine.ts'

/** Places of `count` tasks behind number `base`, as rows (seq, span) named `b`. */
export const BLOCKS = (base: string, count: string): string =>
  `(SELECT ${base} + 1 + n * ${GRANT_SIZE} AS seq, least(${GRANT_SIZE}, ${count} - n * ${GRANT_SIZE}) AS span
            FROM generate_series(0, (${count} - 1) / ${GRANT_SIZE}) n) b`

/** `unfold`: makes each of these rows of `waiting`, which are locked, one row a task. */
export const unfold = (s: string): string =>
  routine(
    `${s}.unfold(places tid[])`,
    'void',
    `
  BEGIN
    WITH gone AS (DELETE FROM ${s}.waiting w WHERE w.ctid = ANY (places) RETURNING w.*)
    INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, span, place, due, rank)
      SELECT g.queue, g.state, g.key, g.odd, g.priority, g.seq + n, 1, g.place, g.due, g.rank
        FROM gone g, generate_series(0, g.span - 1) n;
  END`,
  )

/** Unfolds what stands in the way of looking at so many tasks one by one, in this order. */
export const UNFOLD = (s: string, condition: string, order: string, most: string): string => `
            PERFORM ${s}.unfold(array_agg(f.at)) FROM (
              SELECT l.at, l.span, sum(l.span) OVER (ROWS UNBOUNDED PRECEDING) - l.span AS before FROM (
                SELECT w.ctid AS at, w.span FROM ${s}.waiting w WHERE ${condition} ORDER BY ${order} LIMIT ${most} FOR UPDATE SKIP LOCKED
              ) l
            ) f WHERE f.span > 1 AND f.before < ${most} HAVING count(*) > 0;`
