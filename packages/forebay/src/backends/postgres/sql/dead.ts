/** Dead letters: listed by page, redriven and dropped a part at a time, so that a hundred thousand of them hold up nobody. */

import { AGEING_STEP_MS } from '../../rank.ts'
import { NOW, routine } from './routine.ts'

/** `list_dead`: the oldest first, after the one that died at `after_place` with the number `after_seq`. */
const listDead = (s: string): string =>
  routine(
    `${s}.list_dead(q integer, most integer, after_place float8, after_seq bigint)`,
    `TABLE (
      seq bigint, id text, reason text, died_at float8, attempts integer, failures text[], created_at float8,
      priority integer, cost float8, type text, key text, headers text, payload text
    )`,
    `
  BEGIN
    RETURN QUERY
    SELECT p.seq, p.id, p.reason, p.place, p.attempts, p.failures, t.created_at, t.priority, t.cost, t.type, t.key,
        t.headers, t.payload
      FROM ${s}.places p JOIN ${s}.tasks t ON t.seq = p.seq
      WHERE p.queue = q AND p.state = 3 AND (p.place, p.seq) > (after_place, after_seq) ORDER BY p.place, p.seq LIMIT most;
  END`,
  )

/** Which ones a part is: those of the ids, or the oldest that died until then. `until` is answered for the next part. */
const PART = (s: string): string => `
    IF ids IS NULL THEN
      part := ARRAY(SELECT p.id FROM ${s}.places p WHERE p.queue = q AND p.state = 3 AND p.place <= coalesce(until, now)
        ORDER BY p.place, p.seq LIMIT most FOR UPDATE SKIP LOCKED);
    ELSE
      PERFORM FROM ${s}.places p WHERE p.id = ANY (ids) AND p.queue = q ORDER BY p.id FOR UPDATE;
      part := ARRAY(SELECT u.id FROM unnest(ids) WITH ORDINALITY u (id, ord) JOIN ${s}.places p ON p.id = u.id AND p.queue = q
        WHERE p.state + 0 = 3 ORDER BY u.ord);
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
    part text[];
    change record;
    ready integer := 0;
  BEGIN
    ${PART(s)}
    WITH revived AS (
      UPDATE ${s}.places p SET state = CASE WHEN p.order_key IS NULL THEN 0 ELSE 4 END, attempts = 0, reason = NULL, due = now,
          rank = now - t.priority * ${AGEING_STEP_MS}.0, place = now - t.priority * ${AGEING_STEP_MS}.0,
          odd = t.priority <> 0, expires_at = now + t.ttl
        FROM unnest(part) WITH ORDINALITY u (id, ord), ${s}.tasks t
        WHERE p.id = u.id AND p.queue = q AND t.seq = p.seq
        RETURNING u.ord, p.id, p.order_key, p.place, t.bytes
    )
    SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes, min(place) AS low,
        array_agg(id ORDER BY ord) FILTER (WHERE order_key IS NOT NULL) AS ids,
        array_agg(order_key ORDER BY ord) FILTER (WHERE order_key IS NOT NULL) AS keys
      INTO change FROM revived;
    IF change.ids IS NOT NULL THEN
      ready := ${s}.join_lines(q, now, change.ids, change.keys);
    END IF;
    count := change.count;
    low := change.low;
    IF count > 0 THEN
      INSERT INTO ${s}.changes (queue, delayed, dead, bytes)
        VALUES (q, coalesce(cardinality(change.ids), 0) - ready, -change.count, change.bytes);
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
    part text[];
  BEGIN
    ${PART(s)}
    WITH gone AS (
      DELETE FROM ${s}.places p WHERE p.id = ANY (part) AND p.queue = q RETURNING p.seq
    ), bodies AS (
      DELETE FROM ${s}.tasks t USING gone WHERE t.seq = gone.seq
    )
    SELECT count(*) INTO count FROM gone;
    IF count > 0 THEN
      INSERT INTO ${s}.changes (queue, dead, dropped) VALUES (q, -count, count);
    END IF;
  END`,
  )

export const dead = (s: string): string => listDead(s) + redrive(s) + dropDead(s)
