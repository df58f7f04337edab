/**
 * `ahead`: what is known of the lines that matters to a newcomer's place: a row for its own line, and then one for each open line
 * with a score up to its own. Of very many lines so many are looked at; `earlier` says how many there are.
 *
 * What is due becomes ready first, and the news of lines is taken into account, as a claim would do; the least rank of what became
 * ready is in the first row, for others must be told. Lines that a limit keeps closed are left out.
 */

import { HEAD_START } from '../../../flow/fair-order.ts'
import { LINE } from '../../line-state.ts'
import { AGEING_STEP_MS } from '../../rank.ts'
import { STORE_FAIR } from './lines.ts'
import { NOW, routine } from './routine.ts'

const MOST_LOOKED_AT = 1_000

/** If so few rows or fewer come behind it in its line, those are counted instead of those that go before it. */
const FEW = 10_000

/** How many of a line go before the newcomer. */
const within = (s: string, line: string, ready: string): string => `
      SELECT count(*), coalesce(sum(b.span), 0) INTO rows, behind FROM (
        SELECT w.span FROM ${s}.waiting w WHERE w.queue = q AND ${line} AND w.place > own_rank LIMIT ${FEW + 1}
      ) b;
      IF rows <= ${FEW} THEN
        within := ${ready} - behind;
      ELSE
        SELECT coalesce(sum(w.span), 0) INTO within FROM ${s}.waiting w WHERE w.queue = q AND ${line} AND w.place <= own_rank;
      END IF;`

/** @param own_key Null if it has no line of its own. */
export const ahead = (s: string): string =>
  routine(
    `${s}.ahead(q integer, own_key text, own_weight float8, own_priority integer)`,
    `TABLE (
      within float8, virtual float8, earlier bigint, low float8, is_open boolean, finish float8, score float8, entered float8,
      weight float8, cost float8, ready float8
    )`,
    `
  DECLARE
    now constant float8 := ${NOW};
    own_rank constant float8 := now - own_priority * ${AGEING_STEP_MS}.0;
    fair ${s}.fair;
    own ${s}.lines;
    common_ready float8;
    rows bigint;
    behind bigint;
    reach float8;
  BEGIN
    low := ${s}.promote(q, now, '-Infinity');
    IF own_key IS NOT NULL OR EXISTS (SELECT FROM ${s}.fair f WHERE f.queue = q)
      OR EXISTS (SELECT FROM ${s}.line_news n WHERE n.queue = q)
    THEN
      fair := ${s}.update_lines(q, '-Infinity', '-Infinity', false, NULL, NULL);
      ${STORE_FAIR(s)}
    END IF;
    SELECT d.ready - coalesce((SELECT sum(l.ready) FROM ${s}.lines l WHERE l.queue = q), 0) INTO common_ready
      FROM ${s}.depth(q) d;
    IF own_key IS NULL THEN
      ${within(s, 'w.state = 0', 'common_ready')}
      is_open := common_ready > 0;
      finish := coalesce(fair.common_finish, 0);
      score := coalesce(fair.common_score, 0);
      entered := coalesce(fair.common_entered, 0);
      weight := 1;
      cost := coalesce(fair.common_cost, 1);
      ready := common_ready;
    ELSE
      SELECT l.* INTO own FROM ${s}.lines l WHERE l.queue = q AND l.key = own_key;
      ${within(s, 'w.state = 2 AND w.key = own_key', 'coalesce(own.ready, 0)')}
      is_open := coalesce(own.state = ${LINE.open}, false);
      finish := coalesce(own.finish, 0);
      score := coalesce(own.score, 0);
      entered := coalesce(own.entered, 0);
      weight := coalesce(own.weight, own_weight);
      cost := coalesce(own.cost, 1);
      ready := coalesce(own.ready, 0);
    END IF;
    virtual := coalesce(fair.virtual, 0);
    reach := CASE WHEN is_open THEN finish ELSE greatest(virtual, finish) END
      + within * cost / weight - ${HEAD_START} * own_priority;
    SELECT count(*) INTO earlier FROM ${s}.lines l
      WHERE l.queue = q AND l.state = ${LINE.open} AND l.score <= reach AND l.key IS DISTINCT FROM own_key;
    RETURN NEXT;

    IF own_key IS NOT NULL AND common_ready > 0 THEN
      is_open := true;
      finish := fair.common_finish;
      score := fair.common_score;
      entered := fair.common_entered;
      weight := 1;
      cost := fair.common_cost;
      ready := common_ready;
      RETURN NEXT;
    END IF;
    RETURN QUERY
    SELECT NULL::float8, NULL::float8, NULL::bigint, NULL::float8, true, l.finish, l.score, l.entered::float8, l.weight, l.cost,
        l.ready::float8
      FROM ${s}.lines l
      WHERE l.queue = q AND l.state = ${LINE.open} AND l.score <= reach AND l.key IS DISTINCT FROM own_key
      ORDER BY l.score, l.entered LIMIT ${MOST_LOOKED_AT};
  END`,
  )
