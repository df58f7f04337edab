/**
 * `complete`: the settlement that nearly all are: of tasks that are done, without a result to keep. As `settle`, but a grant that is
 * over as a whole, and whose tasks follow one another, is one span: neither its bits nor its tasks are looked up one by one.
 */

import { GRANT_SIZE } from '../token.ts'
import { isAt, lookedUp, NOW, routine } from './routine.ts'
import { LET_GO_ON, LOCK } from './settle.ts'

/** @param counts How many bits each mask has; `ids` has the task's id for each of them. */
export const complete = (s: string): string =>
  routine(
    `${s}.complete(q integer, grant_ids bigint[], masks bigint[], counts integer[], ids text[])`,
    'TABLE (held bigint[], woken boolean, low float8)',
    `
  DECLARE
    now constant float8 := ${NOW};
    change record;
    part record;
    keys text[];
    delayed bigint := 0;
  BEGIN
    ${LOCK(s)}
    WITH asked AS MATERIALIZED (
      SELECT u.id, u.mask, u.before, g.open, g.seqs, g.ends, g.lease_end,
          g.open = u.mask AND g.size = cardinality(g.seqs) AND g.ends IS NULL AND g.lease_end > now
            AND g.seqs[g.size] - g.seqs[1] = g.size - 1 AS is_span
        FROM (
          SELECT v.id, v.mask, sum(v.count) OVER (ROWS UNBOUNDED PRECEDING) - v.count AS before
            FROM unnest(grant_ids, masks, counts) v (id, mask, count)
        ) u JOIN ${lookedUp(`${s}.grants`, 'a.id = u.id AND a.queue + 0 = q')} g ON true
    ), spans AS MATERIALIZED (
      SELECT a.id, a.before, 0 AS bit, a.seqs[1] AS low, cardinality(a.seqs) AS size FROM asked a WHERE a.is_span
      UNION ALL
      SELECT o.id, o.before + o.place - 1, o.bit, o.seqs[o.bit + 1], 1
        FROM (
          SELECT a.*, b.bit, row_number() OVER (PARTITION BY a.before ORDER BY b.bit) AS place
            FROM asked a, generate_series(0, ${GRANT_SIZE - 1}) b (bit) WHERE NOT a.is_span AND (a.mask >> b.bit) & 1 = 1
        ) o
        WHERE (o.open >> o.bit) & 1 = 1 AND coalesce(o.ends[o.bit + 1], o.lease_end) > now
    ), gone AS (
      DELETE FROM ${s}.tasks t USING spans p
        WHERE t.seq BETWEEN p.low AND p.low + p.size - 1 AND t.id = ids[p.before + 1 + t.seq - p.low]
        RETURNING p.id, p.bit + t.seq - p.low AS bit, p.before + 1 + t.seq - p.low AS ord, t.bytes,
          CASE WHEN t.ordered THEN t.key END AS line, CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, ended)
        SELECT q, now, own, count(*) FROM gone WHERE own IS NOT NULL GROUP BY own
    ), m AS MATERIALIZED (
      SELECT g.id, bit_or(1::bigint << g.bit::integer) AS mask, count(*) AS count FROM gone g GROUP BY g.id
    ), closed AS (
      DELETE FROM ${s}.grants g USING m WHERE ${isAt('g.id', 'm.id')} AND g.size = m.count
    ), opened AS (
      UPDATE ${s}.grants g SET open = g.open & ~m.mask, size = g.size - m.count FROM m
        WHERE ${isAt('g.id', 'm.id')} AND g.size > m.count
    )
    SELECT array_agg(ord) AS held, array_agg(line) FILTER (WHERE line IS NOT NULL) AS keys, count(*) AS completed,
        coalesce(sum(gone.bytes), 0) AS bytes, count(own) AS own
      INTO change FROM gone;
    keys := change.keys;
    woken := false;
    ${LET_GO_ON(s)}
    IF change.completed > 0 THEN
      INSERT INTO ${s}.changes (queue, delayed, bytes, completed) VALUES (q, delayed, -change.bytes, change.completed);
    END IF;
    IF change.completed < cardinality(ids) THEN
      held := coalesce(change.held, '{}');
    END IF;
    RETURN NEXT;
  END`,
  )
