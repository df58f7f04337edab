/** Ends and prolongs claims whose tokens are still good. A lease that has ended is lost, also if nobody else has the task yet. */

import { TASK_BOUNDS } from '../../../task.ts'
import { GRANT_SIZE } from '../token.ts'
import { isAt, lookedUp, NOW, routine } from './routine.ts'

/**
 * Those that are asked about, in their order: grant by grant, and of each the bits of its mask, rising. `seq` is null for one that is
 * not held: to be used on grants that are locked.
 */
const ASKED = (s: string): string => `(
        SELECT a.id, b.bit, row_number() OVER (ORDER BY a.ord, b.bit) AS ord,
            CASE WHEN (a.open >> b.bit) & 1 = 1 AND coalesce(a.ends[b.bit + 1], a.lease_end) > now
              THEN a.seqs[b.bit + 1] END AS seq
          FROM (
            SELECT u.id, u.mask, u.ord, g.open, g.seqs, g.ends, g.lease_end
              FROM unnest(grant_ids, masks) WITH ORDINALITY u (id, mask, ord)
              LEFT JOIN ${lookedUp(`${s}.grants`, 'a.id = u.id AND a.queue + 0 = q')} g ON true
              OFFSET 0
          ) a, generate_series(0, ${GRANT_SIZE - 1}) b (bit)
          WHERE (a.mask >> b.bit) & 1 = 1 ORDER BY a.ord, b.bit
      )`

/** A task that is held, of the columns of an asked one. */
const IS_HELD = `${isAt('t.seq', 'u.seq')} AND t.id IS NOT DISTINCT FROM u.id`

/** In one order for all, so that none waits in a circle. */
export const LOCK = (s: string): string => `
    PERFORM FROM ${s}.grants g WHERE g.id = ANY (grant_ids) ORDER BY g.id FOR UPDATE;`

/** The failures with one more; the oldest give way. */
const MORE_FAILURES = `CASE WHEN u.failure IS NULL THEN t.failures
          ELSE t.failures[greatest(1, coalesce(cardinality(t.failures), 0) - ${TASK_BOUNDS.failuresKept - 2}):] || u.failure END`

/** What waited for those that are over goes on: the next ones of their keys, and those of keys that were at their limit. */
export const LET_GO_ON = (s: string): string => `
    IF keys IS NOT NULL THEN
      SELECT * INTO part FROM ${s}.leave_lines(q, keys);
      woken := woken OR part.unblocked > 0;
      delayed := delayed - part.ready;
      low := least(low, part.low);
    END IF;
    IF change.own > 0 AND NOT woken THEN
      -- A key that is at its limit may have room now.
      woken := EXISTS (SELECT FROM ${s}.fair f WHERE f.queue = q AND f.key_concurrency IS NOT NULL);
    END IF;`

/**
 * `settle`: `ids` has the task's id for each bit of each mask, and so have the others. Outcomes: 0 complete, 1 expire, 2 retry,
 * 3 release, 4 dead. Answers the places in the batch of those that were held; nothing if it were all; whether something is to be
 * claimed soon; and the least rank of what became ready.
 */
const settleMany = (s: string): string =>
  routine(
    `${s}.settle(
      q integer, grant_ids bigint[], masks bigint[], ids text[], outcomes smallint[], delays float8[], new_failures text[],
      reasons text[], kept text[], keeps float8[]
    )`,
    'TABLE (held bigint[], woken boolean, low float8)',
    `
  DECLARE
    now constant float8 := ${NOW};
    change record;
    part record;
    grants bigint[];
    bits integer[];
    seqs bigint[];
    keys text[];
    delayed bigint := 0;
    dead bigint := 0;
    bytes bigint := 0;
  BEGIN
    ${LOCK(s)}
    SELECT array_agg(a.id), array_agg(a.bit), array_agg(a.seq) INTO grants, bits, seqs FROM ${ASKED(s)} a;
    WITH gone AS (
      DELETE FROM ${s}.tasks t USING unnest(seqs, ids, outcomes) WITH ORDINALITY u (seq, id, outcome, ord)
        WHERE ${IS_HELD} AND u.outcome <= 1
        RETURNING u.ord, u.outcome, t.bytes, CASE WHEN t.ordered THEN t.key END AS line,
          CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, ended)
        SELECT q, now, own, count(*) FROM gone WHERE own IS NOT NULL GROUP BY own
    )
    SELECT array_agg(ord) AS held, array_agg(line) FILTER (WHERE line IS NOT NULL) AS keys,
        count(*) FILTER (WHERE outcome = 0) AS completed, count(*) FILTER (WHERE outcome = 1) AS expired,
        coalesce(sum(gone.bytes), 0) AS bytes, count(own) AS own
      INTO change FROM gone;
    held := change.held;
    keys := change.keys;
    woken := false;

    WITH back AS (
      UPDATE ${s}.tasks t SET attempts = t.attempts + CASE WHEN u.outcome = 2 THEN 1 ELSE 0 END, due = now + u.delay,
          failures = ${MORE_FAILURES}
        FROM unnest(seqs, ids, outcomes, delays, new_failures) WITH ORDINALITY u (seq, id, outcome, delay, failure, ord)
        WHERE ${IS_HELD} AND u.outcome IN (2, 3)
        RETURNING u.ord, u.delay, t.seq, t.rank, t.priority, CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
    ), put AS (
      INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, place, due, rank)
        SELECT q, CASE WHEN b.delay > 0 THEN 1 WHEN b.own IS NULL THEN 0 ELSE 2 END, b.own, true, b.priority, b.seq,
            CASE WHEN b.delay > 0 THEN now + b.delay ELSE b.rank END, now + b.delay, b.rank
          FROM back b
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, ended, came, low)
        SELECT q, now, own, count(*), count(*) FILTER (WHERE delay <= 0), min(rank) FILTER (WHERE delay <= 0)
          FROM back WHERE own IS NOT NULL GROUP BY own
    )
    SELECT array_agg(ord) AS held, count(*) FILTER (WHERE delay > 0) AS delayed, min(rank) FILTER (WHERE delay <= 0) AS low
      INTO part FROM back;
    woken := part.held IS NOT NULL;
    held := held || part.held;
    delayed := part.delayed;
    low := part.low;

    WITH died AS (
      UPDATE ${s}.tasks t SET attempts = t.attempts + 1, dead_at = now, reason = u.reason, failures = ${MORE_FAILURES}
        FROM unnest(seqs, ids, outcomes, reasons, new_failures) WITH ORDINALITY u (seq, id, outcome, reason, failure, ord)
        WHERE ${IS_HELD} AND u.outcome = 4
        RETURNING u.ord, t.bytes, CASE WHEN t.ordered THEN t.key END AS line,
          CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, ended)
        SELECT q, now, own, count(*) FROM died WHERE own IS NOT NULL GROUP BY own
    )
    SELECT array_agg(ord) AS held, array_agg(line) FILTER (WHERE line IS NOT NULL) AS keys, count(*) AS dead,
        coalesce(sum(died.bytes), 0) AS bytes, count(own) AS own
      INTO part FROM died;
    change.own := change.own + part.own;
    held := held || part.held;
    keys := keys || part.keys;
    dead := part.dead;
    bytes := part.bytes;

    IF held IS NOT NULL THEN
      WITH m AS MATERIALIZED (
        SELECT u.id, bit_or(1::bigint << u.bit) AS mask, count(*) AS count
          FROM unnest(grants, bits) WITH ORDINALITY u (id, bit, ord)
          WHERE cardinality(held) = cardinality(ids) OR u.ord = ANY (held) GROUP BY u.id
      ), closed AS (
        DELETE FROM ${s}.grants g USING m WHERE ${isAt('g.id', 'm.id')} AND g.size = m.count
      )
      UPDATE ${s}.grants g SET open = g.open & ~m.mask, size = g.size - m.count FROM m
        WHERE ${isAt('g.id', 'm.id')} AND g.size > m.count;
    END IF;
    ${LET_GO_ON(s)}
    IF kept IS NOT NULL THEN
      INSERT INTO ${s}.results AS r (queue, id, completed_at, until, result)
        SELECT q, u.id, now, now + u.keep, u.result
          FROM unnest(ids, kept, keeps) WITH ORDINALITY u (id, result, keep, ord)
          WHERE u.result IS NOT NULL AND u.ord = ANY (held) ORDER BY u.id
        ON CONFLICT (queue, id) DO UPDATE
          SET completed_at = excluded.completed_at, until = excluded.until, result = excluded.result;
    END IF;
    IF held IS NOT NULL THEN
      INSERT INTO ${s}.changes (queue, delayed, dead, bytes, completed, expired)
        VALUES (q, delayed, dead, -bytes - change.bytes, change.completed, change.expired);
    END IF;
    IF cardinality(held) = cardinality(ids) THEN
      held := NULL;
    ELSE
      held := coalesce(held, '{}');
    END IF;
    RETURN NEXT;
  END`,
  )

/** `extend`: the places in the batch of those that were held. Without a shorter lease no index changes. */
const extend = (s: string): string =>
  routine(
    `${s}.extend(q integer, grant_ids bigint[], masks bigint[], ids text[], lease_ms float8)`,
    'bigint[]',
    `
  DECLARE
    now constant float8 := ${NOW};
    new_end constant float8 := now + lease_ms;
    one record;
    held bigint[];
    own float8[];
    bit integer;
  BEGIN
    ${LOCK(s)}
    FOR one IN
      SELECT g.id, g.size, g.ends, g.lease_end AS common, cardinality(g.seqs) AS length, array_agg(u.ord) AS held,
          array_agg(u.bit) AS bits
        FROM (SELECT a.*, ids[a.ord] AS id_of FROM ${ASKED(s)} a) u
        JOIN ${s}.grants g ON ${isAt('g.id', 'u.id')}
        JOIN ${s}.tasks t ON ${isAt('t.seq', 'u.seq')} AND t.id IS NOT DISTINCT FROM u.id_of
        GROUP BY g.id
    LOOP
      held := held || one.held;
      own := NULL;
      IF cardinality(one.bits) < one.size THEN
        own := coalesce(one.ends, array_fill(one.common, ARRAY[one.length]));
        FOREACH bit IN ARRAY one.bits LOOP
          own[bit + 1] := new_end;
        END LOOP;
      END IF;
      UPDATE ${s}.grants g SET ends = own, look_at = least(g.look_at, new_end),
          lease_end = CASE WHEN own IS NULL THEN new_end ELSE g.lease_end END
        WHERE g.id = one.id;
    END LOOP;
    RETURN held;
  END`,
  )

export const settle = (s: string): string => settleMany(s) + extend(s)
