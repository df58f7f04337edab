/**
 * Which tasks a claim gets where keys have lines of their own: the open lines are read in their order, as many as there may be grants,
 * and served in turn; what a line sends is read a few tasks at a time. See lines.ts.
 */

import { HEAD_START } from '../../../flow/fair-order.ts'
import { TOLERANCE_MS } from '../../../flow/pacer.ts'
import { COST_GAIN, LINE } from '../../line-state.ts'
import { UNFOLD } from './blocks.ts'
import { CLOSE, STORE_FAIR, stateOf } from './lines.ts'
import { isAt, lookedUp, routine } from './routine.ts'

/** Each claim forgets up to so many empty lines. */
const FORGOTTEN_AT_ONCE = 200
/** So many tasks of a line are read at a time, at most. */
const READ_AT_ONCE = 100

/** Behind what was read of line `i`. */
const BEHIND = '(w.place, w.seq) > (read_place[i], read_seq[i])'

/** Of a line, its tasks behind those that were read; `i` is its place among the lines. */
const readTasks = (s: string, line: string): string => `
            SELECT array_agg(f.at) AS at, array_agg(f.seq) AS seq, array_agg(f.due) AS due, array_agg(f.place) AS place,
                array_agg(f.priority) AS priority, array_agg(f.cost) AS cost INTO more
              FROM (
                SELECT w.ctid AS at, w.seq, w.due, w.place, w.priority, t.cost
                  FROM ${s}.waiting w JOIN ${s}.tasks t ON ${isAt('t.seq', 'w.seq')}
                  WHERE w.queue = q AND ${line} AND ${BEHIND}
                  ORDER BY w.place, w.seq LIMIT size FOR UPDATE OF w SKIP LOCKED
              ) f;`

/** Sees to it that the next task of line `i` is at hand, if it has one. */
const FILL = (s: string): string => `
        IF heads[i] > tails[i] THEN
          size := least(${READ_AT_ONCE}, greatest(1, ceil(left_over::float8 / (coalesce(cardinality(turns), 0) + 1))));
          IF keys[i] IS NULL THEN
            ${UNFOLD(s, `w.queue = q AND w.state = 0 AND ${BEHIND}`, 'w.place, w.seq', 'size')}
            ${readTasks(s, 'w.state = 0')}
          ELSE
            ${readTasks(s, 'w.state = 2 AND w.key = keys[i]')}
          END IF;
          IF more.seq IS NOT NULL THEN
            heads[i] := coalesce(cardinality(t_seq), 0) + 1;
            t_at := t_at || more.at;
            t_seq := t_seq || more.seq;
            t_due := t_due || more.due;
            t_place := t_place || more.place;
            t_priority := t_priority || more.priority;
            t_cost := t_cost || more.cost;
            tails[i] := cardinality(t_seq);
            read_place[i] := t_place[tails[i]];
            read_seq[i] := t_seq[tails[i]];
          END IF;
        END IF;`

/** Line `i` by what is at hand of it, in flight and allowed; the common line has no limits. */
const STATE = `CASE WHEN keys[i] IS NULL THEN CASE WHEN heads[i] > tails[i] THEN ${LINE.idle} ELSE ${LINE.open} END
          ELSE ${stateOf('heads[i] <= tails[i]', 'flights[i]', 'nexts[i]')} END`

/** `comesBefore` of flow/fair-order.ts: whether line `a` of the arrays is served before these. */
const BEFORE = (a: string, score: string, entry: string): string =>
  `(scores[${a}] < ${score} OR (scores[${a}] = ${score} AND entries[${a}] < ${entry}))`

/** Puts line `i` into its turn. */
const INSERT = `
          low := 1;
          high := coalesce(cardinality(turns), 0) + 1;
          WHILE low < high LOOP
            middle := (low + high) / 2;
            IF ${BEFORE('turns[middle]', 'scores[i]', 'entries[i]')} THEN
              low := middle + 1;
            ELSE
              high := middle;
            END IF;
          END LOOP;
          turns := turns[1:low - 1] || i || turns[low:];`

/** Books the grant of task `head` to line `i`: `grantOf` of ../line-state.ts, `grantFrom` of flow/fair-order.ts. */
const GRANT = `
        head := heads[i];
        cost := t_cost[head];
        tag := finishes[i];
        finishes[i] := tag + cost / weights[i];
        fair.entries := fair.entries + 1;
        entries[i] := fair.entries;
        fair.greatest := greatest(fair.greatest, finishes[i]);
        reached := greatest(fair.virtual, tag - ${HEAD_START} * greatest(0, t_priority[head]));
        fair.virtual := greatest(reached, least(reached + cost / greatest(fair.open_weight, weights[i]), finishes[i]));
        costs[i] := costs[i] + (cost - costs[i]) * ${COST_GAIN};
        flights[i] := flights[i] + 1;
        readies[i] := readies[i] - 1;
        nexts[i] := CASE WHEN keys[i] IS NULL OR fair.key_per_second IS NULL THEN 0
          ELSE CASE WHEN now <= nexts[i] + ${TOLERANCE_MS} THEN nexts[i] ELSE now END + 1000 / fair.key_per_second END;
        places := places || t_at[head];
        seqs := seqs || t_seq[head];
        dues := dues || t_due[head];
        heads[i] := head + 1;
        left_over := left_over - 1;`

/** `pick_in_turn`: locks the tasks that the claim gets, in the queue's order; the claim is to delete them. */
export const pickInTurn = (s: string): string =>
  routine(
    `${s}.pick_in_turn(
      q integer, most bigint, start float8, since float8, wish_concurrency float8, wish_per_second float8,
      OUT places tid[], OUT seqs bigint[], OUT dues float8[]
    )`,
    'record',
    `
  DECLARE
    fair ${s}.fair;
    now float8;
    left_over bigint := most;
    -- The lines that were read, by their place in these; the common one is the last, without a key.
    keys text[]; weights float8[]; finishes float8[]; scores float8[]; entries bigint[]; readies integer[]; flights integer[];
    nexts float8[]; costs float8[]; ranks float8[]; states integer[]; touched boolean[];
    -- Of each, what was read of it and is still to be granted: from head to tail in the arrays of tasks.
    heads integer[]; tails integer[]; read_place float8[]; read_seq bigint[];
    t_at tid[]; t_seq bigint[]; t_due float8[]; t_place float8[]; t_priority integer[]; t_cost float8[];
    -- Those that are open, in their order. What was not read comes behind the last one that was.
    turns integer[]; last_score float8; last_entry bigint;
    more record;
    count integer; i integer; head integer; size bigint; low integer; high integer; middle integer; state integer;
    cost float8; tag float8; reached float8;
  BEGIN
    fair := ${s}.update_lines(q, start, since, true, wish_concurrency, wish_per_second);
    now := fair.touched;
    LOOP
      SELECT array_agg(l.key), array_agg(l.weight), array_agg(l.finish), array_agg(l.score), array_agg(l.entered),
          array_agg(l.ready), array_agg(l.in_flight), array_agg(l.next_at), array_agg(l.cost), array_agg(l.rank),
          array_agg(l.state)
        INTO keys, weights, finishes, scores, entries, readies, flights, nexts, costs, ranks, states
        FROM (
          SELECT r.* FROM ${s}.lines r WHERE r.queue = q AND r.state = ${LINE.open} AND r.score >= fair.least
            ORDER BY r.score, r.entered LIMIT greatest(left_over, 1)
        ) l;
      count := coalesce(cardinality(keys), 0);
      last_score := CASE WHEN count >= greatest(left_over, 1) THEN scores[count] END;
      last_entry := entries[count];
      turns := ARRAY(SELECT generate_series(1, count));
      touched := array_fill(false, ARRAY[count + 1]);
      heads := array_fill(1, ARRAY[count + 1]);
      tails := array_fill(0, ARRAY[count + 1]);
      read_seq := array_fill(-1::bigint, ARRAY[count + 1]);
      t_at := '{}'; t_seq := '{}'; t_due := '{}'; t_place := '{}'; t_priority := '{}'; t_cost := '{}';
      i := count + 1;
      keys := keys || NULL::text;
      weights := weights || 1::float8;
      finishes := finishes || fair.common_finish;
      scores := scores || fair.common_score;
      entries := entries || fair.common_entered;
      readies := readies || 0;
      flights := flights || 0;
      nexts := nexts || 0::float8;
      costs := costs || fair.common_cost;
      ranks := ranks || start;
      states := states || fair.common_state::integer;
      read_place := ranks;
      IF fair.common_state = ${LINE.open} THEN
        ${INSERT}
      END IF;

      WHILE left_over > 0 AND cardinality(turns) > 0 LOOP
        i := turns[1];
        EXIT WHEN scores[i] > last_score OR (scores[i] = last_score AND entries[i] > last_entry);
        turns := turns[2:];
        touched[i] := true;
        ${FILL(s)}
        state := ${STATE};
        IF state = ${LINE.open} THEN
          ${GRANT}
          ${FILL(s)}
          state := ${STATE};
        END IF;
        states[i] := state;
        IF heads[i] > tails[i] THEN
          readies[i] := 0;
        ELSE
          ranks[i] := t_place[heads[i]];
        END IF;
        IF state = ${LINE.open} THEN
          scores[i] := finishes[i] - ${HEAD_START} * t_priority[heads[i]];
          ${INSERT}
        ELSE
          ${CLOSE('weights[i]')}
        END IF;
      END LOOP;

      UPDATE ${s}.lines l SET finish = u.finish, score = u.score, entered = u.entry, ready = u.ready, in_flight = u.flight,
          next_at = u.next_at, cost = u.cost, rank = u.rank, state = u.state
        FROM unnest(keys, finishes, scores, entries, readies, flights, nexts, costs, ranks, states, touched)
          u (key, finish, score, entry, ready, flight, next_at, cost, rank, state, touched)
          JOIN ${lookedUp(`${s}.lines`, 'a.queue = q AND a.key = u.key', 'a.ctid AS at')} o ON u.touched
        WHERE l.ctid = o.at;
      i := count + 1;
      fair.common_finish := finishes[i];
      fair.common_score := scores[i];
      fair.common_entered := entries[i];
      fair.common_cost := costs[i];
      fair.common_state := states[i];
      fair.least := coalesce(last_score, 'Infinity');
      FOREACH i IN ARRAY turns LOOP
        CONTINUE WHEN keys[i] IS NULL;
        fair.least := least(fair.least, scores[i]);
        EXIT;
      END LOOP;
      -- Else the next line may be one that was not read.
      EXIT WHEN left_over = 0 OR last_score IS NULL;
    END LOOP;
    ${STORE_FAIR(s)}
    DELETE FROM ${s}.lines WHERE ctid = ANY (ARRAY(
      SELECT l.ctid FROM ${s}.lines l WHERE l.queue = q AND l.state = ${LINE.idle} AND l.finish <= fair.virtual AND l.in_flight = 0
        LIMIT ${FORGOTTEN_AT_ONCE}
    ));
    IF NOT EXISTS (SELECT FROM ${s}.lines l WHERE l.queue = q) THEN
      DELETE FROM ${s}.fair f WHERE f.queue = q;
    END IF;
  END`,
  )
