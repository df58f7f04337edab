/** Grants tasks: what has fallen due is made ready, then the first ones by rank are leased under new tokens. */

import { FIELD_END } from '../stored-text.ts'
import { GRANT_SIZE } from '../token.ts'
import { isAt, NOW, routine } from './routine.ts'

/** So many tasks that fell due are made ready at a time: bounds the time of a claim when very many fall due at once. */
const PROMOTED_AT_ONCE = 5_000

/** The place in a grant of each of its tasks that is not settled yet, and when its lease ends. */
export const OPEN = (grant: string): string => `LATERAL (
        SELECT b.bit, ${grant}.seqs[b.bit + 1] AS seq, coalesce(${grant}.ends[b.bit + 1], ${grant}.lease_end) AS lease_end
          FROM generate_series(0, cardinality(${grant}.seqs) - 1) b (bit) WHERE (${grant}.open >> b.bit) & 1 = 1
      )`

/**
 * `promote`: makes ready what has fallen due: delays that are over and leases that have ended, of which the attempt stays
 * counted. Answers the least rank of what became ready.
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
    one record;
    lapsed record;
  BEGIN
    WITH due AS (
      SELECT w.ctid AS at FROM ${s}.waiting w WHERE w.queue = q AND w.state = 1 AND w.place > since AND w.place <= now
        ORDER BY w.place, w.seq LIMIT ${PROMOTED_AT_ONCE} FOR UPDATE SKIP LOCKED
    ), woken AS (
      UPDATE ${s}.waiting w SET state = CASE WHEN w.key IS NULL THEN 0 ELSE 2 END, place = w.rank, odd = true
        FROM due WHERE w.ctid = due.at RETURNING w.rank, w.key, w.due
    ), news AS (
      INSERT INTO ${s}.line_news (queue, at, key, came, low)
        SELECT q, now, key, count(*), min(rank) FROM woken WHERE key IS NOT NULL GROUP BY key ORDER BY min(due)
    )
    SELECT count(*), min(rank) INTO delayed, low FROM woken;
    IF delayed > 0 THEN
      INSERT INTO ${s}.changes (queue, delayed) VALUES (q, -delayed);
    END IF;

    FOR one IN
      SELECT g.* FROM ${s}.grants g WHERE g.queue = q AND g.look_at > since AND g.look_at <= now
        ORDER BY g.look_at LIMIT ${Math.ceil(PROMOTED_AT_ONCE / GRANT_SIZE)} FOR UPDATE SKIP LOCKED
    LOOP
      WITH ended AS MATERIALIZED (SELECT o.* FROM ${OPEN('one')} o WHERE o.lease_end <= now), counted AS (
        UPDATE ${s}.tasks t SET attempts = t.attempts + 1 FROM ended e WHERE ${isAt('t.seq', 'e.seq')} RETURNING t.seq, t.rank, t.priority, e.lease_end,
            CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
      ), back AS (
        INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, place, due, rank)
          SELECT q, CASE WHEN c.own IS NULL THEN 0 ELSE 2 END, c.own, true, c.priority, c.seq, c.rank, c.lease_end, c.rank
            FROM counted c
      ), news AS (
        INSERT INTO ${s}.line_news (queue, at, key, ended, came, low)
          SELECT q, now, c.own, count(*), count(*), min(c.rank) FROM counted c WHERE c.own IS NOT NULL
            GROUP BY c.own ORDER BY min(c.lease_end)
      )
      SELECT (SELECT min(c.rank) FROM counted c) AS low, count(*) AS count, coalesce(bit_or(1::bigint << e.bit), 0) AS mask
        INTO lapsed FROM ended e;
      low := least(low, lapsed.low);
      IF lapsed.count = one.size THEN
        DELETE FROM ${s}.grants g WHERE g.id = one.id;
      ELSE
        UPDATE ${s}.grants g SET open = g.open & ~lapsed.mask, size = g.size - lapsed.count,
            look_at = (SELECT min(o.lease_end) FROM ${OPEN('g')} o WHERE o.lease_end > now)
          WHERE g.id = one.id;
      END IF;
    END LOOP;
    RETURN low;
  END`,
  )

const IS_DUE = (s: string): string => `
      EXISTS (SELECT FROM ${s}.waiting w WHERE w.queue = q AND w.state = 1 AND w.place > since AND w.place <= now)
      OR EXISTS (SELECT FROM ${s}.grants g WHERE g.queue = q AND g.look_at > since AND g.look_at <= now)`

/** What few tasks have, as an array; nothing of a task that has none of it. */
const UNUSUAL = `CASE WHEN t.key IS NOT NULL OR t.headers IS NOT NULL OR t.failures IS NOT NULL OR t.priority <> 0 OR t.ttl IS NOT NULL
            OR t.cost <> 1 OR t.ordered
          THEN json_build_array(t.key, t.headers, t.failures, t.priority, t.ttl, t.cost, t.ordered)::text END`

/** A granted task but for its payload, in one text: a column of its own for each of these would cost more than all else of a claim. */
const FIELDS = [
  'u.before + t.seq - u.seq',
  'now - u.due',
  'coalesce(t.expires_at <= now, false)',
  't.attempts + 1',
  'floor(t.created_at)::bigint',
  't.id',
  't.type',
  UNUSUAL,
].join(', field_end, ')

/**
 * Takes the first ready rows that nobody else is taking, until they are enough. Of the last one only its beginning may be needed: then
 * its rest stays where it is. How many rows it takes is not known before, and what is locked for nothing is withheld from others: so
 * the first look is for as many as if all were whole blocks, and each further one for four times as many.
 */
const takeBlocks = (s: string): string => `
      size := least(most, ceil(most::float8 / ${GRANT_SIZE}) + 1);
      reached_place := least(start, low);
      reached_seq := -1;
      LOOP
        SELECT array_agg(f.at) AS places, array_agg(f.seq) AS firsts, array_agg(f.span) AS spans, array_agg(f.due) AS dues,
            array_agg(f.before) AS befores, array_agg(f.place) AS reached, sum(f.span) AS count INTO more
          FROM (
            SELECT w.*, granted + sum(w.span) OVER (ROWS UNBOUNDED PRECEDING) - w.span AS before FROM (
              SELECT w.ctid AS at, w.seq, w.span::integer, w.due, w.place FROM ${s}.waiting w
                WHERE w.queue = q AND w.state = 0 AND (w.place, w.seq) > (reached_place, reached_seq)
                ORDER BY w.place, w.seq LIMIT size FOR UPDATE SKIP LOCKED
            ) w
          ) f WHERE f.before < most;
        EXIT WHEN more.count IS NULL;
        places := places || more.places;
        firsts := firsts || more.firsts;
        spans := spans || more.spans;
        dues := dues || more.dues;
        befores := befores || more.befores::integer[];
        granted := granted + more.count;
        reached_place := more.reached[cardinality(more.reached)];
        reached_seq := firsts[cardinality(firsts)];
        EXIT WHEN granted >= most OR cardinality(more.places) < size;
        size := least(most - granted, 4 * size);
      END LOOP;
      last := CASE WHEN granted > 0 THEN reached_place END;
      IF granted > most THEN
        stop := cardinality(spans);
        spans[stop] := spans[stop] - (granted - most);
        granted := most;
        UPDATE ${s}.waiting w SET seq = w.seq + spans[stop], span = w.span - spans[stop] WHERE w.ctid = places[stop];
        places := places[:stop - 1];
      END IF;`

/** Who found less than it asked for while others had locked what is ready looks again after so long: they may take only a part of it. */
const LOCKED_MS = 10

/**
 * `claim`: a row for each task, in any order: its place among them, and what it is; and then one without a task, in whose place of
 * a payload are, as fields: the numbers of the grants and their sizes, in the queue's order; in how many milliseconds the next task
 * falls due, if fewer were granted than asked for; the least rank of what was made ready; the rank of the last grant; until when all
 * that fell due was seen to; how long it all took, without the commit.
 *
 * @param shares How many each of those who wait may have, at most: no two of them hold tasks of one grant.
 * @param start Grants nothing of a lower rank, unless it became ready in this call; `since`: see `promote`.
 */
const claimShares = (s: string): string =>
  routine(
    `${s}.claim(
      q integer, shares integer[], lease_ms float8, start float8, since float8, key_concurrency float8, key_per_second float8
    )`,
    'TABLE (task text, payload text)',
    `
  DECLARE
    grants text;
    due_in float8;
    low float8;
    last float8;
    seen float8;
    began constant float8 := ${NOW};
    now float8 := began;
    most constant bigint := (SELECT sum(u) FROM unnest(shares) u);
    -- The rows that are taken: of each its number, how many of its tasks, when they were due, how many are granted before them.
    places tid[];
    firsts bigint[];
    spans integer[];
    dues float8[];
    befores integer[];
    seqs bigint[];
    field_end constant text := '${FIELD_END}';
    granted integer := 0;
    reached_place float8;
    reached_seq bigint;
    more record;
    share integer;
    done integer := 0;
    stop integer;
    size integer;
    number bigint;
    turns record;
  BEGIN
    IF ${IS_DUE(s)} THEN
      low := ${s}.promote(q, now, since);
      IF ${IS_DUE(s)} THEN
        seen := since;
      END IF;
    END IF;
    IF EXISTS (SELECT FROM ${s}.fair f WHERE f.queue = q)
      OR EXISTS (SELECT FROM ${s}.line_news n WHERE n.queue = q AND n.at > since)
    THEN
      SELECT * INTO turns FROM ${s}.pick_in_turn(
        q, most, least(start, low), since, key_concurrency, key_per_second
      );
      places := turns.places;
      firsts := turns.seqs;
      dues := turns.dues;
      granted := coalesce(cardinality(firsts), 0);
      spans := array_fill(1, ARRAY[granted]);
      befores := ARRAY(SELECT generate_series(0, granted - 1));
      now := ${NOW};
    ELSE
      ${takeBlocks(s)}
    END IF;
    IF granted > 0 THEN
      DELETE FROM ${s}.waiting w WHERE w.ctid = ANY (places);
      seqs := CASE WHEN granted = cardinality(firsts) THEN firsts
        ELSE ARRAY(SELECT u.seq + n FROM unnest(firsts, spans) u (seq, span), generate_series(0, u.span - 1) n) END;
      FOREACH share IN ARRAY shares LOOP
        stop := least(done + share, granted);
        WHILE done < stop LOOP
          size := least(${GRANT_SIZE}, stop - done);
          number := nextval('${s}.grant_numbers') << 20 | floor(random() * 1048576)::bigint;
          INSERT INTO ${s}.grants (id, queue, look_at, lease_end, size, open, seqs)
            VALUES (number, q, now + lease_ms, now + lease_ms, size,
              CASE WHEN size = ${GRANT_SIZE} THEN -1 ELSE ~(-1::bigint << size) END, seqs[done + 1:done + size]);
          grants := concat(grants, ' ', number, ' ', size);
          done := done + size;
        END LOOP;
      END LOOP;
      RETURN QUERY
      SELECT concat(${FIELDS}), t.payload
        FROM unnest(firsts, spans, dues, befores) u (seq, span, due, before)
          JOIN ${s}.tasks t ON t.seq BETWEEN u.seq AND u.seq + u.span - 1;
    END IF;
    seen := coalesce(seen, began);
    IF granted < most THEN
      due_in := least(
        (SELECT l.next_at FROM ${s}.lines l WHERE l.queue = q AND l.state > 1 AND l.state = 2 ORDER BY l.next_at LIMIT 1),
        (SELECT w.place FROM ${s}.waiting w WHERE w.queue = q AND w.state = 1 AND w.place > since
          ORDER BY w.place, w.seq LIMIT 1),
        (SELECT now + ${LOCKED_MS} FROM ${s}.waiting w WHERE w.queue = q AND w.state = 0 AND w.place >= least(start, low) LIMIT 1),
        (SELECT g.look_at FROM ${s}.grants g WHERE g.queue = q AND g.look_at > since ORDER BY g.look_at LIMIT 1)
      ) - now;
    END IF;
    payload := concat_ws(field_end, coalesce(grants, ''), coalesce(due_in::text, ''), coalesce(low::text, ''),
      coalesce(last::text, ''), seen, ${NOW} - began);
    RETURN NEXT;
  END`,
  )

export const claim = (s: string): string => promote(s) + claimShares(s)
