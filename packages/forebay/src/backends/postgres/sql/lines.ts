/**
 * Lines of keys, in the server: how they are kept. What may happen to a line is ../line-state.ts's, the order among lines
 * flow/fair-order.ts's, the limits of keys flow/key-limits.ts's; here the same in the server's language.
 *
 * Only claims change lines, one claim at a time: each holds the queue's row of `fair` until it commits. All others (pushes, which may
 * be part of a long transaction, settlements, what falls due) leave word in `line_news`, and the next claim takes that into account
 * before it looks. So nobody but claims waits for claims. Between two claims the order does not move, so a line that comes opens with
 * the same tag then as it would have at once.
 *
 * `rank` of a line is not above that of its first ready task, `least` not above the score of the first open line: there the look
 * begins, and dead rows before it cost nothing.
 */

import { HEAD_START } from '../../../flow/fair-order.ts'
import { LINE } from '../../line-state.ts'
import { NOW, routine } from './routine.ts'

/** So much news at a time: bounds the time of the first claim after a long pause. */
const NEWS_AT_ONCE = 20_000

const NO_LIMIT = "'Infinity'::float8"

/** The state of a line that has ready tasks or not, by what is in flight and allowed. */
export const stateOf = (hasReady: string, inFlight: string, nextAt: string): string =>
  `CASE WHEN NOT (${hasReady}) THEN CASE WHEN ${nextAt} > now THEN ${LINE.resting} ELSE ${LINE.idle} END
          WHEN ${inFlight} >= coalesce(fair.key_concurrency, ${NO_LIMIT}) THEN ${LINE.saturated}
          WHEN ${nextAt} > now THEN ${LINE.waiting} ELSE ${LINE.open} END`

/** `openLine` of flow/fair-order.ts. */
export const OPEN = (finish: string, entered: string, weight: string): string => `
          ${finish} := greatest(fair.virtual, ${finish});
          fair.entries := fair.entries + 1;
          ${entered} := fair.entries;
          fair.open_lines := fair.open_lines + 1;
          fair.open_weight := fair.open_weight + ${weight};`

/** `closeLine` of flow/fair-order.ts. */
export const CLOSE = (weight: string): string => `
          fair.open_lines := fair.open_lines - 1;
          fair.open_weight := fair.open_weight - ${weight};
          IF fair.open_lines = 0 THEN
            fair.open_weight := 0;
            fair.virtual := fair.greatest;
          END IF;`

/** Brings a line that is a record up to date, as `settleLine` of ../line-state.ts; `first` is its first ready task. */
const settleLine = (s: string): string => `
      before := line.state;
      line.state := ${stateOf('line.ready > 0', 'line.in_flight', 'line.next_at')};
      IF line.state = ${LINE.open} THEN
        SELECT w.place, w.priority INTO first FROM ${s}.waiting w
          WHERE w.queue = q AND w.state = 2 AND w.key = line.key AND w.place >= line.rank ORDER BY w.place, w.seq LIMIT 1;
        IF NOT FOUND THEN
          line.ready := 0;
          line.state := ${stateOf('false', 'line.in_flight', 'line.next_at')};
        END IF;
      END IF;
      IF line.state = ${LINE.open} THEN
        IF before <> ${LINE.open} THEN
          ${OPEN('line.finish', 'line.entered', 'line.weight')}
        END IF;
        line.rank := first.place;
        line.score := line.finish - ${HEAD_START} * first.priority;
        fair.least := least(fair.least, line.score);
      ELSIF before = ${LINE.open} THEN
        ${CLOSE('line.weight')}
      END IF;
      UPDATE ${s}.lines l SET weight = line.weight, state = line.state, finish = line.finish, score = line.score,
          entered = line.entered, ready = line.ready, in_flight = line.in_flight, next_at = line.next_at, rank = line.rank
        WHERE l.queue = q AND l.key = line.key;`

/** `nextAfterChange` of flow/key-limits.ts. */
const afterChange = (nextAt: string): string =>
  `CASE WHEN wish_per_second IS NULL THEN 0 ELSE least(${nextAt}, now + 1000 / wish_per_second) END`

/**
 * `update_lines`: takes the news into account, and the limits that a claim brings; holds `fair` from then on, whose new state is its
 * answer and is to be stored.
 */
export const updateLines = (s: string): string =>
  routine(
    `${s}.update_lines(q integer, start float8, since float8, limits_too boolean, wish_concurrency float8, wish_per_second float8)`,
    `${s}.fair`,
    `
  DECLARE
    fair ${s}.fair;
    line ${s}.lines;
    now float8;
    news record;
    first record;
    before smallint;
  BEGIN
    LOOP
      INSERT INTO ${s}.fair (queue) VALUES (q) ON CONFLICT DO NOTHING;
      SELECT f.* INTO fair FROM ${s}.fair f WHERE f.queue = q FOR UPDATE;
      -- Who had it before may have forgotten it.
      EXIT WHEN FOUND;
    END LOOP;
    now := greatest(${NOW}, fair.touched);
    fair.touched := now;
    FOR news IN
      WITH taken AS (
        DELETE FROM ${s}.line_news WHERE ctid = ANY (ARRAY(
          SELECT n.ctid FROM ${s}.line_news n WHERE n.queue = q AND n.at > since ORDER BY n.at LIMIT ${NEWS_AT_ONCE}
        )) RETURNING number, key, weight, cost, came, ended, low
      )
      SELECT key, sum(came)::integer AS came, sum(ended)::integer AS ended, min(low) AS low,
          (array_agg(weight ORDER BY number DESC) FILTER (WHERE weight IS NOT NULL))[1] AS weight,
          (array_agg(cost ORDER BY number) FILTER (WHERE cost IS NOT NULL))[1] AS cost
        FROM taken GROUP BY key ORDER BY min(number)
    LOOP
      SELECT l.* INTO line FROM ${s}.lines l WHERE l.queue = q AND l.key = news.key;
      IF NOT FOUND THEN
        -- Of a line that was forgotten there is nothing to end.
        CONTINUE WHEN news.came <= 0 AND news.weight IS NULL;
        INSERT INTO ${s}.lines (queue, key, weight, cost) VALUES (q, news.key, coalesce(news.weight, 1), coalesce(news.cost, 1))
          RETURNING * INTO line;
      END IF;
      IF news.weight <> line.weight THEN
        IF line.state = ${LINE.open} THEN
          fair.open_weight := fair.open_weight + news.weight - line.weight;
        END IF;
        line.weight := news.weight;
      END IF;
      line.ready := greatest(0, line.ready + news.came);
      line.in_flight := greatest(0, line.in_flight - news.ended);
      line.rank := least(line.rank, news.low);
      ${settleLine(s)}
    END LOOP;

    -- The common line has what is ready without a key of its own.
    SELECT w.place, w.priority INTO first FROM ${s}.waiting w WHERE w.queue = q AND w.state = 0 AND w.place >= start
      ORDER BY w.place, w.seq LIMIT 1;
    IF FOUND THEN
      IF fair.common_state <> ${LINE.open} THEN
        ${OPEN('fair.common_finish', 'fair.common_entered', '1')}
      END IF;
      fair.common_state := ${LINE.open};
      fair.common_score := fair.common_finish - ${HEAD_START} * first.priority;
    ELSE
      IF fair.common_state = ${LINE.open} THEN
        ${CLOSE('1')}
      END IF;
      fair.common_state := ${LINE.idle};
    END IF;

    IF limits_too AND (wish_concurrency IS DISTINCT FROM fair.key_concurrency OR wish_per_second IS DISTINCT FROM fair.key_per_second) THEN
      -- Limits under which nothing can be granted do not displace those of others.
      IF fair.open_lines > 0 OR EXISTS (
        SELECT FROM ${s}.lines l WHERE l.queue = q AND l.state > 1 AND (
          ${afterChange('l.next_at')} < l.next_at OR (
            l.state IN (${LINE.waiting}, ${LINE.saturated}) AND l.in_flight < coalesce(wish_concurrency, ${NO_LIMIT})
              AND ${afterChange('l.next_at')} <= now))
      ) THEN
        fair.key_concurrency := wish_concurrency;
        fair.key_per_second := wish_per_second;
        FOR line IN SELECT l.* FROM ${s}.lines l WHERE l.queue = q AND l.state > 1 ORDER BY l.entered LOOP
          line.next_at := ${afterChange('line.next_at')};
          ${settleLine(s)}
        END LOOP;
      END IF;
    END IF;
    FOR line IN
      SELECT l.* FROM ${s}.lines l
        WHERE l.queue = q AND l.state > 1 AND l.state IN (${LINE.waiting}, ${LINE.resting}) AND l.next_at <= now
        ORDER BY l.next_at, l.entered LIMIT ${NEWS_AT_ONCE}
    LOOP
      ${settleLine(s)}
    END LOOP;
    RETURN fair;
  END`,
  )

/** Stores what all lines have in common. */
export const STORE_FAIR = (s: string): string => `
    UPDATE ${s}.fair f SET touched = fair.touched, virtual = fair.virtual, greatest = fair.greatest, entries = fair.entries,
        open_lines = fair.open_lines, open_weight = fair.open_weight, least = fair.least, common_state = fair.common_state,
        common_finish = fair.common_finish, common_score = fair.common_score, common_entered = fair.common_entered,
        common_cost = fair.common_cost, key_concurrency = fair.key_concurrency, key_per_second = fair.key_per_second
      WHERE f.queue = q;`
