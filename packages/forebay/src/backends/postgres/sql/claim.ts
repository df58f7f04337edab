/** Grants tasks: what has fallen due is made ready, then the first ones by rank are leased under new tokens. */

import { NOW, routine } from './routine.ts'

/** So many tasks that fell due are made ready at a time: bounds the time of a claim when very many fall due at once. */
const PROMOTED_AT_ONCE = 5_000

/**
 * `promote`: makes ready what has fallen due: delays that are over and leases that have ended. Of a lease that was extended only
 * the time to look again is moved. Answers the least rank of what became ready.
 *
 * @param since Looks at nothing that was to be looked at before: see claim-start.ts.
 */
const promote = (s: string): string =>
  routine(
    `${s}.promote(q integer, now float8, since float8)`,
    'float8',
    `
  DECLARE
    delayed integer;
    low float8;
    low_lapsed float8;
  BEGIN
    WITH due AS (
      SELECT p.ctid AS at FROM ${s}.places p WHERE p.queue = q AND p.state = 1 AND p.place > since AND p.place <= now
        ORDER BY p.place LIMIT ${PROMOTED_AT_ONCE} FOR UPDATE SKIP LOCKED
    ), woken AS (
      UPDATE ${s}.places p SET state = 0, place = p.rank, odd = true FROM due WHERE p.ctid = due.at RETURNING p.rank
    )
    SELECT count(*), min(rank) INTO delayed, low FROM woken;
    WITH due AS (
      SELECT p.ctid AS at FROM ${s}.places p WHERE p.queue = q AND p.state = 2 AND p.place > since AND p.place <= now
        ORDER BY p.place LIMIT ${PROMOTED_AT_ONCE} FOR UPDATE SKIP LOCKED
    ), lapsed AS (
      UPDATE ${s}.places p SET state = 0, place = p.rank, odd = true, due = p.lease_end, token = 0
        FROM due WHERE p.ctid = due.at AND p.lease_end <= now RETURNING p.rank
    ), extended AS (
      UPDATE ${s}.places p SET place = p.lease_end FROM due WHERE p.ctid = due.at AND p.lease_end > now
    )
    SELECT min(rank) INTO low_lapsed FROM lapsed;
    IF delayed > 0 THEN
      INSERT INTO ${s}.changes (queue, delayed) VALUES (q, -delayed);
    END IF;
    RETURN least(low, low_lapsed);
  END`,
  )

/**
 * `claim`: a row for each grant, in no order, and then one without an id: in how many milliseconds the next task falls due, if
 * fewer were granted than asked for; the least rank of what was made ready; until when all that fell due was seen to; how long it
 * all took, without the commit.
 *
 * @param start Grants nothing of a lower rank, unless it became ready in this call; `since`: see `promote`.
 */
const claimOne = (s: string): string =>
  routine(
    `${s}.claim(q integer, most integer, lease_ms float8, start float8, since float8)`,
    `TABLE (
      id text, seq bigint, token bigint, rank float8, waited float8, expired boolean, attempts integer, failures text[],
      created_at float8, priority integer, cost float8, type text, key text, headers text, payload text,
      due_in float8, low float8, seen float8, took float8
    )`,
    `
  DECLARE
    now constant float8 := ${NOW};
    granted integer;
  BEGIN
    IF EXISTS (SELECT FROM ${s}.places p WHERE p.queue = q AND p.state = 1 AND p.place > since AND p.place <= now)
      OR EXISTS (SELECT FROM ${s}.places p WHERE p.queue = q AND p.state = 2 AND p.place > since AND p.place <= now)
    THEN
      low := ${s}.promote(q, now, since);
      IF EXISTS (SELECT FROM ${s}.places p WHERE p.queue = q AND p.state = 1 AND p.place > since AND p.place <= now)
        OR EXISTS (SELECT FROM ${s}.places p WHERE p.queue = q AND p.state = 2 AND p.place > since AND p.place <= now)
      THEN
        seen := since;
      END IF;
    END IF;
    RETURN QUERY
    WITH first AS (
      SELECT p.ctid AS at FROM ${s}.places p WHERE p.queue = q AND p.state = 0 AND p.place >= least(start, low)
        ORDER BY p.place, p.seq LIMIT most FOR UPDATE SKIP LOCKED
    ), taken AS (
      UPDATE ${s}.places p SET state = 2, place = now + lease_ms, lease_end = now + lease_ms, attempts = p.attempts + 1,
          token = nextval('${s}.grants') * 1048576 + floor(random() * 1048576)::bigint
        FROM first WHERE p.ctid = first.at
        RETURNING p.id, p.seq, p.token, p.rank, now - p.due AS waited, coalesce(p.expires_at <= now, false) AS expired,
          p.attempts, p.failures
    )
    SELECT p.id, p.seq, p.token, p.rank, p.waited, p.expired, p.attempts, p.failures,
        t.created_at, t.priority, t.cost, t.type, t.key, t.headers, t.payload, NULL::float8, NULL::float8, NULL::float8, NULL::float8
      FROM taken p JOIN ${s}.tasks t ON t.seq = p.seq;
    GET DIAGNOSTICS granted = ROW_COUNT;
    id := NULL;
    seen := coalesce(seen, now);
    IF granted < most THEN
      due_in := least(
        (SELECT p.place FROM ${s}.places p WHERE p.queue = q AND p.state = 1 AND p.place > since ORDER BY p.place LIMIT 1),
        (SELECT p.place FROM ${s}.places p WHERE p.queue = q AND p.state = 2 AND p.place > since ORDER BY p.place LIMIT 1)
      ) - now;
    END IF;
    took := ${NOW} - now;
    RETURN NEXT;
  END`,
  )

export const claim = (s: string): string => promote(s) + claimOne(s)
