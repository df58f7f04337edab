/**
 * `push_dropping`: a push into a queue whose bounds let ready tasks give way to newcomers. If all fit it is a plain push; else the
 * tasks go in one by one, each on its own merits. Answers what `push` does, and the ids of those that gave way, each with the place
 * of the newcomer that it gave way to.
 *
 * What would give way is locked first and dropped only when the newcomer is in: one that turns out to be there already drops nothing.
 * What a claim has locked at this moment is passed over, as it is not ready any more.
 *
 * The order in which tasks give way has an index of its own, which is made when a queue first needs it (eviction-indexes.ts).
 */

import { type Evicting, MOST_DROPPED } from '../../eviction.ts'
import { UNFOLD } from './blocks.ts'
import { PUSH_COLUMNS, PUSH_COLUMN_NAMES, TAKE_BOUNDS_LOCK } from './push.ts'
import { isAt, NOW, routine } from './routine.ts'

/** In which order ready tasks give way, as columns of `waiting`. */
export const GIVING_WAY: Readonly<Record<Evicting, string>> = {
  'drop-oldest': 'seq',
  'drop-lowest-priority': 'priority, seq DESC',
}

/** The columns of task `i` alone. */
const ONE = PUSH_COLUMN_NAMES.map((name) => `${name}[i:i]`).join(', ')

const candidates = (s: string, policy: Evicting): string => {
  const isCandidate = `w.queue = q AND w.state <> 1${policy === 'drop-oldest' ? '' : ' AND w.priority < coalesce(priorities[i], 0)'}`
  const order = GIVING_WAY[policy].replace(/\b(?=seq|priority)/g, 'w.')
  return `${UNFOLD(s, isCandidate, order, 'most')}
            FOR one IN
              SELECT w.ctid AS at, w.seq, t.id, t.bytes FROM ${s}.waiting w JOIN ${s}.tasks t ON ${isAt('t.seq', 'w.seq')}
                WHERE ${isCandidate} ORDER BY ${order} LIMIT most FOR UPDATE OF w SKIP LOCKED
            LOOP
              EXIT WHEN coalesce(cardinality(seqs), 0) >= tasks_over AND freed >= bytes_over;
              places := places || one.at;
              seqs := seqs || one.seq;
              names := names || one.id;
              freed := freed + one.bytes;
            END LOOP;`
}

const dropVictims = (s: string): string => `
          DELETE FROM ${s}.waiting w WHERE w.ctid = ANY (places);
          WITH gone AS (
            DELETE FROM ${s}.tasks t USING unnest(seqs) u (seq) WHERE ${isAt('t.seq', 'u.seq')}
              RETURNING CASE WHEN t.ordered THEN t.key END AS line, CASE WHEN t.weight IS NOT NULL THEN t.key END AS own
          ), news AS (
            INSERT INTO ${s}.line_news (queue, at, key, came)
              SELECT q, now, own, -count(*) FROM gone WHERE own IS NOT NULL GROUP BY own
          )
          SELECT array_agg(line) FILTER (WHERE line IS NOT NULL) AS keys INTO part FROM gone;
          unblocked := 0;
          IF part.keys IS NOT NULL THEN
            SELECT * INTO part FROM ${s}.leave_lines(q, part.keys);
            unblocked := part.ready;
            low := least(low, part.low);
          END IF;
          INSERT INTO ${s}.changes (queue, delayed, bytes, dropped) VALUES (q, -unblocked, -freed, cardinality(seqs));
          dropped := dropped || names;
          droppers := droppers || array_fill(i, ARRAY[cardinality(names)]);
          depth := depth + cardinality(seqs);
          bytes := bytes + freed;`

export const pushDropping = (s: string): string =>
  routine(
    `${s}.push_dropping(
      q integer, ${PUSH_COLUMNS},
      max_depth float8, max_bytes float8, alone boolean, channel text, policy text
    )`,
    'TABLE (statuses smallint[], firsts text[], low float8, dropped text[], droppers integer[])',
    `
  DECLARE
    now float8;
    depth float8;
    bytes float8;
    size integer;
    -- By how much the queue with the newcomer in it would be beyond its bounds.
    tasks_over float8;
    bytes_over float8;
    most integer;
    freed float8;
    places tid[];
    seqs bigint[];
    names text[];
    unblocked integer;
    is_promoted boolean := false;
    one record;
    part record;
    result record;
  BEGIN
    IF alone THEN
      ${TAKE_BOUNDS_LOCK(s)}
    END IF;
    SELECT coalesce(max_depth, 'Infinity') - t.depth, coalesce(max_bytes, 'Infinity') - t.bytes INTO depth, bytes
      FROM ${s}.totals(q) t;
    IF cardinality(ids) <= depth AND (SELECT sum(octet_length(u)) FROM unnest(payloads) u) <= bytes THEN
      RETURN QUERY SELECT p.statuses, p.firsts, p.low, NULL::text[], NULL::integer[]
        FROM ${s}.push(q, ${PUSH_COLUMN_NAMES.join(', ')}, NULL, NULL, false, channel) p;
      RETURN;
    END IF;
    statuses := array_fill(0::smallint, ARRAY[cardinality(ids)]);
    firsts := ids;
    FOR i IN 1..cardinality(ids) LOOP
      now := ${NOW};
      size := octet_length(payloads[i]);
      tasks_over := 1 - depth;
      bytes_over := size - bytes;
      places := '{}';
      seqs := '{}';
      names := '{}';
      freed := 0;
      IF (tasks_over > 0 OR bytes_over > 0) AND tasks_over <= ${MOST_DROPPED} AND size <= coalesce(max_bytes, 'Infinity') THEN
        IF NOT is_promoted THEN
          low := least(low, ${s}.promote(q, now, '-Infinity'));
          is_promoted := true;
        END IF;
        most := CASE WHEN bytes_over > 0 THEN ${MOST_DROPPED} ELSE tasks_over END;
        IF policy = 'drop-oldest' THEN
          ${candidates(s, 'drop-oldest')}
        ELSE
          ${candidates(s, 'drop-lowest-priority')}
        END IF;
      END IF;
      IF coalesce(cardinality(seqs), 0) < tasks_over OR freed < bytes_over THEN
        -- There is no room: it is full, unless it is there already.
        SELECT * INTO result FROM ${s}.push(
          q, ${ONE}, CASE WHEN tasks_over > 0 THEN 0 END, CASE WHEN tasks_over <= 0 THEN 0 END, false, NULL
        );
        statuses[i] := result.statuses[1];
        firsts[i] := result.firsts[1];
        CONTINUE;
      END IF;
      SELECT * INTO result FROM ${s}.push(q, ${ONE}, NULL, NULL, false, NULL);
      IF result.statuses IS NOT NULL THEN
        statuses[i] := result.statuses[1];
        firsts[i] := result.firsts[1];
        CONTINUE;
      END IF;
      low := least(low, result.low);
      depth := depth - 1;
      bytes := bytes - size;
      IF cardinality(seqs) > 0 THEN
        ${dropVictims(s)}
      END IF;
    END LOOP;
    IF channel IS NOT NULL THEN
      PERFORM pg_notify(channel, ' ' || coalesce(low, 'Infinity'));
    END IF;
    RETURN NEXT;
  END`,
  )
