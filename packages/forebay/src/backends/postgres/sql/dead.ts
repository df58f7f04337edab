/** Dead letters: listed by page, redriven and dropped a part at a time, so that a hundred thousand of them hold up nobody. */

import { AGEING_STEP_MS } from '../../rank.ts'
import { isAt, lookedUp, NOW, routine } from './routine.ts'
import { TASK_COLUMNS, taskColumns } from './task-columns.ts'

/** `list_dead`: the oldest first, after the one that died at `after_place` with the number `after_seq`. */
const listDead = (s: string): string =>
  routine(
    `${s}.list_dead(q integer, most integer, after_place float8, after_seq bigint)`,
    `TABLE (seq bigint, id text, reason text, died_at float8, ${TASK_COLUMNS})`,
    `
  BEGIN
    RETURN QUERY
    SELECT t.seq, t.id, t.reason, t.dead_at, ${taskColumns()}
      FROM ${s}.tasks t
      WHERE t.queue = q AND t.dead_at IS NOT NULL AND (t.dead_at, t.seq) > (after_place, after_seq)
      ORDER BY t.dead_at, t.seq LIMIT most;
  END`,
  )

/** Which ones a part is: those of the ids, or the oldest that died until then. `until` is answered for the next part. */
const PART = (s: string): string => `
    IF ids IS NULL THEN
      part := ARRAY(
        SELECT t.seq FROM ${s}.tasks t WHERE t.queue = q AND t.dead_at IS NOT NULL AND t.dead_at <= coalesce(until, now)
          ORDER BY t.dead_at, t.seq LIMIT most FOR UPDATE SKIP LOCKED
      );
    ELSE
      PERFORM FROM ${s}.tasks t WHERE t.id = ANY (ids) AND t.queue = q ORDER BY t.id FOR UPDATE;
      part := ARRAY(
        SELECT t.seq FROM unnest(ids) WITH ORDINALITY u (id, ord) JOIN ${lookedUp(`${s}.tasks`, 'a.id = u.id AND a.queue = q')} t ON true
          WHERE t.dead_at > 0 ORDER BY u.ord
      );
    END IF;
    until := coalesce(until, now);`

/** `redrive`: they are placed as if they had just come: their old place would put them before everything that waits. */
const redrive = (s: string): string =>
  routine(
    `${s}.redrive(q integer, ids text[], most integer, INOUT until float8, OUT count integer, OUT low float8)`,
    'record',
    `
  DECLARE
    now constant float8 := ${NOW};
    part bigint[];
    change record;
    joined record;
    delayed integer := 0;
  BEGIN
    ${PART(s)}
    WITH revived AS (
      UPDATE ${s}.tasks t SET attempts = 0, reason = NULL, dead_at = NULL, due = now, expires_at = now + t.ttl,
          rank = now - t.priority * ${AGEING_STEP_MS}.0
        FROM unnest(part) WITH ORDINALITY u (seq, ord) WHERE ${isAt('t.seq', 'u.seq')}
        RETURNING u.ord, t.seq, t.ordered, t.key, t.rank, t.bytes, t.priority, t.weight
    ), put AS (
      INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, place, due, rank)
        SELECT q, CASE WHEN r.weight IS NULL THEN 0 ELSE 2 END, CASE WHEN r.weight IS NOT NULL THEN r.key END, true,
            r.priority, r.seq, r.rank, now, r.rank
          FROM revived r WHERE NOT r.ordered
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, weight, cost, came, low)
        SELECT q, now, r.key, max(r.weight), 1, count(*) FILTER (WHERE NOT r.ordered), min(r.rank) FILTER (WHERE NOT r.ordered)
          FROM revived r WHERE r.weight IS NOT NULL GROUP BY r.key ORDER BY min(r.ord)
    )
    SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes, min(rank) FILTER (WHERE NOT ordered) AS low,
        array_agg(seq ORDER BY ord) FILTER (WHERE ordered) AS seqs, array_agg(key ORDER BY ord) FILTER (WHERE ordered) AS keys
      INTO change FROM revived;
    count := change.count;
    low := change.low;
    IF change.seqs IS NOT NULL THEN
      SELECT * INTO joined FROM ${s}.join_lines(q, now, change.seqs, change.keys);
      delayed := joined.waiting;
      low := least(low, joined.low);
    END IF;
    IF count > 0 THEN
      INSERT INTO ${s}.changes (queue, delayed, dead, bytes) VALUES (q, delayed, -change.count, change.bytes);
    END IF;
  END`,
  )

/** `drop_dead`: forgets them. */
const dropDead = (s: string): string =>
  routine(
    `${s}.drop_dead(q integer, ids text[], most integer, INOUT until float8, OUT count integer)`,
    'record',
    `
  DECLARE
    now constant float8 := ${NOW};
    part bigint[];
  BEGIN
    ${PART(s)}
    DELETE FROM ${s}.tasks t USING unnest(part) u (seq) WHERE ${isAt('t.seq', 'u.seq')};
    GET DIAGNOSTICS count = ROW_COUNT;
    IF count > 0 THEN
      INSERT INTO ${s}.changes (queue, dead, dropped) VALUES (q, -count, count);
    END IF;
  END`,
  )

export const dead = (s: string): string => listDead(s) + redrive(s) + dropDead(s)
