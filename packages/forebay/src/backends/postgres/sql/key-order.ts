/**
 * The order of keys: of the ordered tasks of one key only the first in line may be ready, delayed or in flight. The others are
 * blocked (and counted as delayed), until the one before them is over.
 *
 * `key_lines` has a row for each key that has such tasks. Whoever joins or leaves a line holds its row, so that nobody joins
 * behind one that is leaving without being seen; rows are always taken in the order of their keys, so that none waits in a circle.
 */

import { isAt, NOW, routine } from './routine.ts'

/** The first of a line waits out its own delay, or is ready as of now. */
const unblock = (s: string): string => `
        INSERT INTO ${s}.waiting (queue, state, key, odd, priority, seq, place, due, rank)
          SELECT q, CASE WHEN f.due > now THEN 1 WHEN t.weight IS NULL THEN 0 ELSE 2 END,
              CASE WHEN t.weight IS NOT NULL THEN t.key END, greatest(f.due, now) <> t.rank, t.priority, t.seq,
              CASE WHEN f.due > now THEN f.due ELSE t.rank END, greatest(f.due, now), t.rank
            FROM (
              SELECT l.seq, l.due FROM ${s}.turns l WHERE l.queue = q AND l.key = line.key ORDER BY l.turn LIMIT 1
            ) f JOIN ${s}.tasks t ON ${isAt('t.seq', 'f.seq')}
          RETURNING state, rank INTO first;
        IF first.state <> 1 THEN
          ready := ready + 1;
          low := least(low, first.rank);
        END IF;
        IF first.state = 2 THEN
          INSERT INTO ${s}.line_news (queue, at, key, came, low) VALUES (q, now, line.key, 1, first.rank);
        END IF;`

/**
 * `join_lines`: puts tasks at the ends of their lines, in the given order. Answers how many of them are not ready, and the least
 * rank of those that are.
 */
const joinLines = (s: string): string =>
  routine(
    `${s}.join_lines(q integer, now float8, seqs bigint[], keys text[], OUT waiting integer, OUT low float8)`,
    'record',
    `
  DECLARE
    line record;
    first record;
    size integer;
    tail bigint;
    ready integer := 0;
  BEGIN
    FOR line IN
      SELECT u.key, array_agg(u.seq ORDER BY u.ord) AS seqs, count(*) AS count
        FROM unnest(seqs, keys) WITH ORDINALITY u (seq, key, ord) GROUP BY u.key ORDER BY u.key COLLATE "C"
    LOOP
      INSERT INTO ${s}.key_lines AS l (queue, key, size, tail) VALUES (q, line.key, line.count, line.count)
        ON CONFLICT (queue, key) DO UPDATE SET size = l.size + excluded.size, tail = l.tail + excluded.tail
        RETURNING l.size - line.count, l.tail - line.count INTO size, tail;
      INSERT INTO ${s}.turns (queue, key, turn, seq, due)
        SELECT q, line.key, tail + u.ord, t.seq, t.due
          FROM unnest(line.seqs) WITH ORDINALITY u (seq, ord) JOIN ${s}.tasks t ON ${isAt('t.seq', 'u.seq')};
      IF size = 0 THEN
        ${unblock(s)}
      END IF;
    END LOOP;
    waiting := coalesce(cardinality(seqs), 0) - ready;
  END`,
  )

/**
 * `leave_lines`: the first of each of these lines is over. Answers how many of those that were next go on, how many of them are
 * ready, and the least rank among those.
 */
const leaveLines = (s: string): string =>
  routine(
    `${s}.leave_lines(q integer, keys text[], OUT unblocked integer, OUT ready integer, OUT low float8)`,
    'record',
    `
  DECLARE
    now constant float8 := ${NOW};
    line record;
    first record;
    size integer;
  BEGIN
    unblocked := 0;
    ready := 0;
    FOR line IN SELECT u AS key FROM unnest(keys) u ORDER BY u COLLATE "C" LOOP
      UPDATE ${s}.key_lines l SET size = l.size - 1 WHERE l.queue = q AND l.key = line.key RETURNING l.size INTO size;
      DELETE FROM ${s}.turns l WHERE l.queue = q AND l.key = line.key AND l.turn = (
        SELECT f.turn FROM ${s}.turns f WHERE f.queue = q AND f.key = line.key ORDER BY f.turn LIMIT 1
      );
      IF size > 0 THEN
        unblocked := unblocked + 1;
        ${unblock(s)}
      ELSE
        DELETE FROM ${s}.key_lines l WHERE l.queue = q AND l.key = line.key;
      END IF;
    END LOOP;
  END`,
  )

export const keyOrder = (s: string): string => joinLines(s) + leaveLines(s)
