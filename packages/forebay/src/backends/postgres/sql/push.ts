/**
 * `push`: stores new tasks of which no two share an id or a dedup id. Answers nothing if all are accepted; else the status of
 * each (0 accepted, 1 duplicate, 2 conflict, 3 full in depth, 4 full in bytes) and the id of the one that was first; and the least
 * rank of those that are ready.
 *
 * Bounds are exact among pushes that hold the queue's lock. Only bounded ones take it, and none within a caller's own
 * transaction (`alone` false), which would keep it for as long as that lasts.
 */

import { AGEING_STEP_MS } from '../../rank.ts'
import { BLOCKS } from './blocks.ts'
import { lookedUp, NOW, routine } from './routine.ts'

/** The tasks, as columns; pushing.ts gives them in this order. */
export const PUSH_COLUMNS = `ids text[], types text[], payloads text[], keys text[], headers text[], priorities integer[],
      costs float8[], weights float8[], delays float8[], ttls float8[], ordered boolean[], dedups text[], prints bytea[],
      windows float8[]`

export const PUSH_COLUMN_NAMES: readonly string[] = PUSH_COLUMNS.split(',').map(
  (column) => column.trim().split(' ')[0] as string,
)

export const TAKE_BOUNDS_LOCK = (s: string): string =>
  `PERFORM pg_advisory_xact_lock(hashtext('forebay bounds ${s.replaceAll("'", "''")}'), q);`

/**
 * Tasks that have nothing but type, payload, headers, and a key that is only a mark: nearly all. Not within a transaction of many
 * pushes: what can be undone by itself has a number of its own, and a transaction of many numbers slows down the whole server.
 */
const IS_PLAIN = `alone AND statuses IS NULL AND priorities IS NULL AND costs IS NULL AND weights IS NULL AND delays IS NULL AND ttls IS NULL
      AND ordered IS NULL AND dedups IS NULL`

/**
 * Stores such tasks if none of them is there already; then `waiting` is known. It takes half the time: to be on the lookout for
 * each one, and to read all the other columns, costs as much as to store it.
 */
const storePlain = (s: string): string => `BEGIN
        INSERT INTO ${s}.tasks (seq, queue, id, created_at, rank, due, cost, priority, bytes, ordered, type, key, headers, payload)
          SELECT base + u.ord, q, u.id, now, now, now, 1, 0, octet_length(u.payload), false, u.type, u.key, u.headers, u.payload
            FROM unnest(ids, types, payloads, keys, headers) WITH ORDINALITY u (id, type, payload, key, headers, ord) ORDER BY u.id;
        INSERT INTO ${s}.waiting (queue, state, odd, priority, seq, span, place, due, rank)
          SELECT q, 0, false, 0, b.seq, b.span, now, now, now FROM ${BLOCKS('base', 'wanted')};
        waiting := 0;
        bytes := size;
        low := now;
      EXCEPTION WHEN unique_violation THEN
        -- Undone; all of them go the other way.
      END;`

/** Stores whatever there is to store; ends the call if that is nothing. */
const storeAny = (s: string): string => `WITH stored AS (
        INSERT INTO ${s}.tasks (seq, queue, id, created_at, rank, due, expires_at, ttl, cost, weight, priority, bytes, ordered,
            type, key, headers, payload)
        SELECT base + u.ord, q, u.id, now, now - coalesce(u.priority, 0) * ${AGEING_STEP_MS}.0, now + coalesce(u.delay, 0),
            now + u.ttl, u.ttl, coalesce(u.cost, 1), u.weight, coalesce(u.priority, 0), octet_length(u.payload), coalesce(u.ordered, false),
            u.type, u.key, u.headers, u.payload
          FROM unnest(ids, types, payloads, keys, headers, priorities, costs, weights, delays, ttls, ordered, statuses)
            WITH ORDINALITY u (id, type, payload, key, headers, priority, cost, weight, delay, ttl, ordered, status, ord)
          WHERE coalesce(u.status, 0) = 0 ORDER BY u.id
        ON CONFLICT (id, queue) DO NOTHING
        RETURNING seq, bytes
      )
      SELECT array_agg(seq), sum(stored.bytes) INTO taken, bytes FROM stored;

      IF coalesce(cardinality(taken), 0) < wanted THEN
        statuses := coalesce(statuses, array_fill(0::smallint, ARRAY[cardinality(ids)]));
        firsts := coalesce(firsts, ids);
        FOR one IN
          SELECT u.ord, u.dedup FROM unnest(dedups, statuses) WITH ORDINALITY u (dedup, status, ord)
            WHERE u.status = 0 AND base + u.ord NOT IN (SELECT unnest(taken))
        LOOP
          statuses[one.ord] := 1;
          DELETE FROM ${s}.dedup WHERE queue = q AND dedup_id = one.dedup;
        END LOOP;
      END IF;
      wanted := coalesce(cardinality(taken), 0);
      IF wanted = 0 THEN
        RETURN NEXT;
        RETURN;
      END IF;
      WITH put AS (
        INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, place, due, rank)
        SELECT q, CASE WHEN u.delay > 0 THEN 1 WHEN u.weight IS NULL THEN 0 ELSE 2 END,
            CASE WHEN u.weight IS NOT NULL THEN u.key END,
            coalesce(u.delay, 0) > 0 OR coalesce(u.priority, 0) <> 0, coalesce(u.priority, 0), base + u.ord,
            CASE WHEN u.delay > 0 THEN now + u.delay ELSE now - coalesce(u.priority, 0) * ${AGEING_STEP_MS}.0 END,
            now + coalesce(u.delay, 0), now - coalesce(u.priority, 0) * ${AGEING_STEP_MS}.0
          FROM unnest(ids, keys, priorities, weights, delays, ordered, statuses) WITH ORDINALITY
            u (id, key, priority, weight, delay, ordered, status, ord)
          WHERE coalesce(u.status, 0) = 0 AND u.ordered IS NOT TRUE
        RETURNING state, rank
      )
      SELECT count(*) FILTER (WHERE state = 1), min(rank) FILTER (WHERE state <> 1) INTO waiting, low FROM put;
      IF weights IS NOT NULL THEN
        INSERT INTO ${s}.line_news (queue, at, key, weight, cost, came, low)
          SELECT q, now, u.key, (array_agg(u.weight ORDER BY u.ord DESC))[1], (array_agg(coalesce(u.cost, 1) ORDER BY u.ord))[1],
              count(*) FILTER (WHERE u.ready),
              min(now - coalesce(u.priority, 0) * ${AGEING_STEP_MS}.0) FILTER (WHERE u.ready)
            FROM (
              SELECT v.*, coalesce(v.delay, 0) <= 0 AND v.ordered IS NOT TRUE AS ready
                FROM unnest(keys, priorities, costs, weights, delays, ordered, statuses) WITH ORDINALITY
                  v (key, priority, cost, weight, delay, ordered, status, ord)
                WHERE v.weight IS NOT NULL AND coalesce(v.status, 0) = 0
            ) u GROUP BY u.key ORDER BY min(u.ord);
      END IF;
      IF ordered IS NOT NULL THEN
        SELECT * INTO joined FROM ${s}.join_lines(
          q, now,
          ARRAY(SELECT base + u.ord FROM unnest(ordered, statuses) WITH ORDINALITY u (ordered, status, ord)
            WHERE u.ordered AND coalesce(u.status, 0) = 0 ORDER BY u.ord),
          ARRAY(SELECT u.key FROM unnest(keys, ordered, statuses) WITH ORDINALITY u (key, ordered, status, ord)
            WHERE u.ordered AND coalesce(u.status, 0) = 0 ORDER BY u.ord)
        );
        waiting := waiting + joined.waiting;
        low := least(low, joined.low);
      END IF;`

export const push = (s: string): string =>
  routine(
    `${s}.push(
      q integer, ${PUSH_COLUMNS},
      max_depth float8, max_bytes float8, alone boolean, channel text
    )`,
    'TABLE (statuses smallint[], firsts text[], low float8)',
    `
  DECLARE
    now float8;
    base bigint;
    depth float8;
    bytes float8;
    size bigint;
    taken bigint[];
    wanted integer := cardinality(ids);
    waiting integer;
    joined record;
    one record;
    first record;
  BEGIN
    size := (SELECT sum(octet_length(u)) FROM unnest(payloads) u);
    IF max_depth IS NOT NULL OR max_bytes IS NOT NULL THEN
      IF alone THEN
        ${TAKE_BOUNDS_LOCK(s)}
      END IF;
      SELECT coalesce(max_depth, 'Infinity') - t.depth, coalesce(max_bytes, 'Infinity') - t.bytes INTO depth, bytes
        FROM ${s}.totals(q) t;
    END IF;
    now := ${NOW};
    IF wanted > depth OR size > bytes THEN
      statuses := array_fill(0::smallint, ARRAY[wanted]);
      firsts := ids;
      FOR one IN
        SELECT u.ord, octet_length(u.payload) AS size, d.task_id AS first, d.print = u.print AS same, p.id AS queued
          FROM unnest(ids, payloads, dedups, prints) WITH ORDINALITY u (id, payload, dedup, print, ord)
          LEFT JOIN ${lookedUp(`${s}.dedup`, 'a.queue = q AND a.dedup_id = u.dedup AND a.until > now')} d ON true
          LEFT JOIN ${lookedUp(`${s}.tasks`, 'a.id = u.id AND a.queue = q')} p ON true ORDER BY u.ord
      LOOP
        IF one.first IS NOT NULL THEN
          statuses[one.ord] := CASE WHEN one.same THEN 1 ELSE 2 END;
          firsts[one.ord] := one.first;
        ELSIF one.queued IS NOT NULL THEN statuses[one.ord] := 1;
        ELSIF depth < 1 THEN statuses[one.ord] := 3;
        ELSIF one.size > bytes THEN statuses[one.ord] := 4;
        ELSE
          depth := depth - 1;
          bytes := bytes - one.size;
          CONTINUE;
        END IF;
        wanted := wanted - 1;
      END LOOP;
    END IF;

    IF dedups IS NOT NULL THEN
      FOR one IN
        WITH noted AS (
          INSERT INTO ${s}.dedup AS d (queue, dedup_id, task_id, print, until)
          SELECT q, u.dedup, u.id, u.print, now + u.span
            FROM unnest(ids, dedups, prints, windows, statuses) u (id, dedup, print, span, status)
            WHERE u.dedup IS NOT NULL AND coalesce(u.status, 0) = 0 ORDER BY u.dedup
          ON CONFLICT (queue, dedup_id) DO UPDATE
            SET task_id = excluded.task_id, print = excluded.print, until = excluded.until WHERE d.until <= now
          RETURNING dedup_id
        )
        SELECT u.ord, u.dedup, u.print FROM unnest(dedups, prints, statuses) WITH ORDINALITY u (dedup, print, status, ord)
          WHERE u.dedup IS NOT NULL AND coalesce(u.status, 0) = 0 AND u.dedup NOT IN (SELECT dedup_id FROM noted)
      LOOP
        statuses := coalesce(statuses, array_fill(0::smallint, ARRAY[cardinality(ids)]));
        firsts := coalesce(firsts, ids);
        -- Another one's, which may have been stored after this statement began.
        SELECT * INTO first FROM ${s}.dedup d WHERE d.queue = q AND d.dedup_id = one.dedup;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'a dedup id was forgotten at this moment' USING ERRCODE = 'serialization_failure';
        END IF;
        statuses[one.ord] := CASE WHEN first.print = one.print THEN 1 ELSE 2 END;
        firsts[one.ord] := first.task_id;
        wanted := wanted - 1;
      END LOOP;
    END IF;

    IF wanted = 0 THEN
      RETURN NEXT;
      RETURN;
    END IF;
    base := nextval('${s}.batches') << 20;
    IF ${IS_PLAIN} THEN
      ${storePlain(s)}
    END IF;
    IF waiting IS NULL THEN
      ${storeAny(s)}
    END IF;
    INSERT INTO ${s}.changes (queue, accepted, delayed, bytes) VALUES (q, wanted, waiting, bytes);
    IF channel IS NOT NULL THEN
      PERFORM pg_notify(channel, ' ' || coalesce(low, 'Infinity'));
    END IF;
    RETURN NEXT;
  END`,
  )
