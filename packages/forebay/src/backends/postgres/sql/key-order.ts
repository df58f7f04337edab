/**
 * The order of keys: of the ordered tasks of one key only the first in line may be ready, delayed or in flight. The others are
 * blocked (and counted as delayed), until the one before them is over.
 *
 * `key_lines` has a row for each key that has such tasks. Whoever joins or leaves a line holds its row, so that nobody joins
 * behind one that is leaving without being seen; rows are always taken in the order of their keys, so that none waits in a circle.
 */

import { NOW, routine } from './routine.ts'

/** A blocked one goes on: waits out its own delay, or is ready as of now. */
const UNBLOCK = `state = CASE WHEN due > now THEN 1 ELSE 0 END, place = CASE WHEN due > now THEN due ELSE rank END,
          odd = greatest(due, now) <> rank, due = greatest(due, now)`

/** `join_lines`: puts tasks that are blocked at the ends of their lines, in the given order; how many of them are ready. */
const joinLines = (s: string): string =>
  routine(
    `${s}.join_lines(q integer, now float8, ids text[], keys text[])`,
    'integer',
    `
  DECLARE
    line record;
    size integer;
    tail bigint;
    state smallint;
    ready integer := 0;
  BEGIN
    FOR line IN
      SELECT u.key, array_agg(u.id ORDER BY u.ord) AS ids, count(*) AS count
        FROM unnest(ids, keys) WITH ORDINALITY u (id, key, ord) GROUP BY u.key ORDER BY u.key COLLATE "C"
    LOOP
      INSERT INTO ${s}.key_lines AS l (queue, key, size, tail) VALUES (q, line.key, line.count, line.count)
        ON CONFLICT (queue, key) DO UPDATE SET size = l.size + excluded.size, tail = l.tail + excluded.tail
        RETURNING l.size - line.count, l.tail - line.count INTO size, tail;
      UPDATE ${s}.places p SET turn = tail + u.ord
        FROM unnest(line.ids) WITH ORDINALITY u (id, ord) WHERE p.id = u.id AND p.queue = q;
      IF size = 0 THEN
        UPDATE ${s}.places p SET ${UNBLOCK} WHERE p.id = line.ids[1] AND p.queue = q RETURNING p.state INTO state;
        ready := ready + CASE WHEN state = 0 THEN 1 ELSE 0 END;
      END IF;
    END LOOP;
    RETURN ready;
  END`,
  )

/**
 * `leave_lines`: the first of each of these lines is over; its row is gone already, or has no turn any more. Answers how many
 * of those that were next go on, how many of them are ready, and the least rank among those.
 */
const leaveLines = (s: string): string =>
  routine(
    `${s}.leave_lines(q integer, keys text[], OUT unblocked integer, OUT ready integer, OUT low float8)`,
    'record',
    `
  DECLARE
    now constant float8 := ${NOW};
    line text;
    left_over integer;
    next record;
  BEGIN
    unblocked := 0;
    ready := 0;
    FOR line IN SELECT u FROM unnest(keys) u ORDER BY u COLLATE "C" LOOP
      UPDATE ${s}.key_lines l SET size = l.size - 1 WHERE l.queue = q AND l.key = line RETURNING l.size INTO left_over;
      IF left_over > 0 THEN
        UPDATE ${s}.places p SET ${UNBLOCK}
          WHERE p.queue = q AND p.id = (
            SELECT f.id FROM ${s}.places f WHERE f.queue = q AND f.order_key = line AND f.turn IS NOT NULL
              ORDER BY f.turn LIMIT 1
          ) RETURNING p.state, p.rank INTO next;
        unblocked := unblocked + 1;
        IF next.state = 0 THEN
          ready := ready + 1;
          low := least(low, next.rank);
        END IF;
      ELSE
        DELETE FROM ${s}.key_lines l WHERE l.queue = q AND l.key = line;
      END IF;
    END LOOP;
  END`,
  )

export const keyOrder = (s: string): string => joinLines(s) + leaveLines(s)
