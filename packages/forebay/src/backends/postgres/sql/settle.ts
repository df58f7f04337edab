/** Ends and prolongs claims whose tokens are still good. A lease that has ended is lost, also if nobody else has the task yet. */

import { TASK_BOUNDS } from '../../../task.ts'
import { NOW, routine } from './routine.ts'

const IS_HELD = 'p.id = u.id AND p.queue = q AND p.token = u.token AND p.lease_end > now'

/** The failures with one more; the oldest give way. */
const MORE_FAILURES = `CASE WHEN u.failure IS NULL THEN p.failures
          ELSE p.failures[greatest(1, coalesce(cardinality(p.failures), 0) - ${TASK_BOUNDS.failuresKept - 2}):] || u.failure END`

/**
 * `settle`: no claim twice. Outcomes: 0 complete, 1 expire, 2 retry, 3 release, 4 dead; without any all are complete. Answers
 * the places in the batch of those that were held; nothing if it were all; whether something is to be claimed soon; and the least
 * rank of what became ready.
 */
const settleMany = (s: string): string =>
  routine(
    `${s}.settle(
      q integer, ids text[], tokens bigint[], outcomes smallint[], delays float8[], new_failures text[], reasons text[],
      kept text[], keeps float8[]
    )`,
    'TABLE (held bigint[], woken boolean, low float8)',
    `
  DECLARE
    now constant float8 := ${NOW};
    change record;
    part record;
    freed record;
    keys text[];
    delayed bigint := 0;
    dead bigint := 0;
    bytes bigint := 0;
  BEGIN
    WITH gone AS (
      DELETE FROM ${s}.places p USING unnest(ids, tokens, outcomes) WITH ORDINALITY u (id, token, outcome, ord)
        WHERE coalesce(u.outcome, 0) <= 1 AND ${IS_HELD}
        RETURNING p.seq, p.order_key, u.ord, coalesce(u.outcome, 0) AS outcome
    ), freed AS (
      DELETE FROM ${s}.tasks t USING gone WHERE t.seq = gone.seq RETURNING t.bytes
    )
    SELECT array_agg(ord) AS held, array_agg(order_key) FILTER (WHERE order_key IS NOT NULL) AS keys,
        count(*) FILTER (WHERE outcome = 0) AS completed, count(*) FILTER (WHERE outcome = 1) AS expired,
        (SELECT coalesce(sum(f.bytes), 0) FROM freed f) AS bytes
      INTO change FROM gone;
    held := change.held;
    keys := change.keys;
    woken := false;

    IF outcomes IS NOT NULL THEN
      WITH back AS (
        UPDATE ${s}.places p SET state = CASE WHEN u.delay > 0 THEN 1 ELSE 0 END, odd = true, token = 0,
            place = CASE WHEN u.delay > 0 THEN now + u.delay ELSE p.rank END, due = now + u.delay,
            attempts = p.attempts - CASE WHEN u.outcome = 3 THEN 1 ELSE 0 END, failures = ${MORE_FAILURES}
          FROM unnest(ids, tokens, outcomes, delays, new_failures) WITH ORDINALITY
            u (id, token, outcome, delay, failure, ord)
          WHERE u.outcome IN (2, 3) AND ${IS_HELD}
          RETURNING u.ord, p.state, p.rank
      )
      SELECT array_agg(ord) AS held, count(*) FILTER (WHERE state = 1) AS delayed, min(rank) FILTER (WHERE state = 0) AS low
        INTO part FROM back;
      woken := part.held IS NOT NULL;
      held := held || part.held;
      delayed := part.delayed;
      low := part.low;

      WITH died AS (
        UPDATE ${s}.places p SET state = 3, place = now, due = now, token = 0, turn = NULL, reason = u.reason,
            failures = ${MORE_FAILURES}
          FROM unnest(ids, tokens, outcomes, reasons, new_failures) WITH ORDINALITY
            u (id, token, outcome, reason, failure, ord)
          WHERE u.outcome = 4 AND ${IS_HELD}
          RETURNING u.ord, p.seq, p.order_key
      )
      SELECT array_agg(d.ord) AS held, array_agg(d.order_key) FILTER (WHERE d.order_key IS NOT NULL) AS keys,
          count(*) AS dead, coalesce(sum(t.bytes), 0) AS bytes
        INTO part FROM died d JOIN ${s}.tasks t ON t.seq = d.seq;
      held := held || part.held;
      keys := keys || part.keys;
      dead := part.dead;
      bytes := part.bytes;
    END IF;

    IF keys IS NOT NULL THEN
      freed := ${s}.leave_lines(q, keys);
      woken := woken OR freed.unblocked > 0;
      delayed := delayed - freed.ready;
      low := least(low, freed.low);
    END IF;
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
    `${s}.extend(q integer, ids text[], tokens bigint[], lease_ms float8)`,
    'bigint[]',
    `
  DECLARE
    now constant float8 := ${NOW};
    held bigint[];
  BEGIN
    WITH extended AS (
      UPDATE ${s}.places p SET lease_end = now + lease_ms, place = least(p.place, now + lease_ms)
        FROM unnest(ids, tokens) WITH ORDINALITY u (id, token, ord) WHERE ${IS_HELD} RETURNING u.ord
    )
    SELECT array_agg(ord) INTO held FROM extended;
    RETURN held;
  END`,
  )

export const settle = (s: string): string => settleMany(s) + extend(s)
