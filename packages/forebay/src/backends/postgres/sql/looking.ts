/** What only reads: the totals, the depth, and what is known of tasks by their ids. */

import { GRANT_SIZE } from '../token.ts'
import { OPEN } from './claim.ts'
import { lookedUp, NOW, routine } from './routine.ts'
import { TASK_COLUMNS, taskColumns } from './task-columns.ts'

/** `totals`: the counters of a queue, and how many tasks and bytes count for its bounds. */
const totals = (s: string): string =>
  routine(
    `${s}.totals(q integer)`,
    `TABLE (
      depth float8, bytes bigint, delayed bigint, dead bigint, accepted bigint, completed bigint, expired bigint,
      dropped bigint, rows bigint
    )`,
    `
  BEGIN
    RETURN QUERY
    SELECT (a.accepted - a.dead - a.completed - a.expired - a.dropped)::float8, a.bytes, a.delayed, a.dead, a.accepted,
        a.completed, a.expired, a.dropped, a.rows
      FROM (
        SELECT (m.bytes + coalesce(sum(c.bytes), 0))::bigint AS bytes,
            (m.delayed + coalesce(sum(c.delayed), 0))::bigint AS delayed,
            (m.dead + coalesce(sum(c.dead), 0))::bigint AS dead,
            (m.accepted + coalesce(sum(c.accepted), 0))::bigint AS accepted,
            (m.completed + coalesce(sum(c.completed), 0))::bigint AS completed,
            (m.expired + coalesce(sum(c.expired), 0))::bigint AS expired,
            (m.dropped + coalesce(sum(c.dropped), 0))::bigint AS dropped, count(c.queue) AS rows
          FROM ${s}.queues m LEFT JOIN ${s}.changes c ON c.queue = m.id AND c.xid >= m.through
          WHERE m.id = q GROUP BY m.id
      ) a;
  END`,
  )

/** `depth`: the counters, corrected by what has fallen due since the last claim; all as of one moment. */
const depth = (s: string): string =>
  routine(
    `${s}.depth(q integer)`,
    `TABLE (
      ready float8, delayed bigint, in_flight bigint, dead bigint, oldest float8, bytes bigint, accepted bigint,
      completed bigint, expired bigint, dropped bigint, rows bigint
    )`,
    `
  DECLARE
    now constant float8 := ${NOW};
  BEGIN
    RETURN QUERY
    WITH leases AS MATERIALIZED (
      SELECT o.lease_end FROM ${s}.grants g, ${OPEN('g')} o WHERE g.queue = q AND g.look_at <= now
    ), c AS (
      SELECT t.*,
          (SELECT count(*) FROM ${s}.waiting w WHERE w.queue = q AND w.state = 1 AND w.place <= now) AS due,
          (SELECT coalesce(sum(g.size), 0)::bigint FROM ${s}.grants g WHERE g.queue = q AND g.look_at > now)
            + (SELECT count(*) FROM leases l WHERE l.lease_end > now) AS leased,
          least(
            (SELECT w.due FROM ${s}.waiting w WHERE w.queue = q AND w.state = 0 AND NOT w.odd
              ORDER BY w.place, w.seq LIMIT 1),
            (SELECT w.due FROM ${s}.waiting w WHERE w.queue = q AND w.state = 0 AND w.odd ORDER BY w.due LIMIT 1),
            (SELECT w.due FROM ${s}.waiting w WHERE w.queue = q AND w.state = 2 ORDER BY w.due LIMIT 1),
            (SELECT w.due FROM ${s}.waiting w WHERE w.queue = q AND w.state = 1 AND w.place <= now
              ORDER BY w.place, w.seq LIMIT 1),
            (SELECT min(l.lease_end) FROM leases l WHERE l.lease_end <= now)
          ) AS oldest
        FROM ${s}.totals(q) t
    )
    SELECT c.depth - c.delayed + c.due - c.leased, c.delayed - c.due, c.leased, c.dead,
        greatest(0, coalesce(now - c.oldest, 0)), c.bytes, c.accepted, c.completed, c.expired, c.dropped, c.rows
      FROM c;
  END`,
  )

/** `find`: a row for each id that is known, with its place in the list. */
const find = (s: string): string =>
  routine(
    `${s}.find(q integer, ids text[])`,
    `TABLE (
      ord bigint, id text, state text, reason text, died_at float8, ${TASK_COLUMNS}, completed_at float8, result text
    )`,
    `
  DECLARE
    now constant float8 := ${NOW};
  BEGIN
    RETURN QUERY
    SELECT u.ord, u.id,
        CASE WHEN t.id IS NULL THEN 'completed' WHEN t.dead_at IS NOT NULL THEN 'dead'
          WHEN w.state <> 1 OR w.due <= now OR l.lease_end <= now THEN 'ready' WHEN l.lease_end > now THEN 'inFlight'
          ELSE 'delayed' END,
        t.reason, t.dead_at, ${taskColumns('CASE WHEN l.lease_end IS NULL THEN 0 ELSE 1 END')}, r.completed_at, r.result
      FROM unnest(ids) WITH ORDINALITY u (id, ord)
        LEFT JOIN ${lookedUp(`${s}.tasks`, 'a.id = u.id AND a.queue = q')} t ON true
        LEFT JOIN LATERAL (
          (SELECT w.state, w.due FROM ${s}.waiting w
            WHERE w.queue = q AND w.state = 0 AND w.place = t.rank AND w.seq BETWEEN t.seq - ${GRANT_SIZE - 1} AND t.seq
              AND w.seq + w.span > t.seq)
          UNION ALL
          (SELECT w.state, w.due FROM ${s}.waiting w
            WHERE w.queue = q AND w.state = 1 AND w.place = t.due AND w.seq = t.seq)
          UNION ALL
          (SELECT w.state, w.due FROM ${s}.waiting w
            WHERE w.queue = q AND w.state = 2 AND w.key = t.key AND w.place = t.rank AND w.seq = t.seq)
        ) w ON t.dead_at IS NULL
        LEFT JOIN LATERAL (
          SELECT o.lease_end FROM ${s}.grants g, ${OPEN('g')} o WHERE g.queue = q AND t.seq = ANY (g.seqs) AND o.seq = t.seq
        ) l ON t.dead_at IS NULL AND w.state IS NULL
        LEFT JOIN ${lookedUp(`${s}.results`, 'a.queue = q AND a.id = u.id AND a.until > now')} r ON t.id IS NULL
      WHERE t.id IS NOT NULL OR r.id IS NOT NULL;
  END`,
  )

export const looking = (s: string): string => totals(s) + depth(s) + find(s)
