/**
 * `upkeep`: adds up the counters of transactions that are older than all that still run, and forgets dedup ids and results whose
 * time is over, a part at a time. Answers whether there is more to forget. Skips what another connection is at.
 */

import { NOW, routine } from './routine.ts'

const FORGOTTEN_AT_ONCE = 2_000

const forget = (s: string, table: string): string => `
    DELETE FROM ${s}.${table} WHERE ctid = ANY (ARRAY(
      SELECT f.ctid FROM ${s}.${table} f WHERE f.until <= now ORDER BY f.until LIMIT ${FORGOTTEN_AT_ONCE}
        FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    more := more OR forgotten = ${FORGOTTEN_AT_ONCE};`

export const upkeep = (s: string): string =>
  routine(
    `${s}.upkeep(q integer, OUT more boolean)`,
    'boolean',
    `
  DECLARE
    now constant float8 := ${NOW};
    edge xid8;
    last xid8;
    forgotten integer;
  BEGIN
    -- If a crash undoes it, it is done again.
    PERFORM set_config('synchronous_commit', 'off', true);
    more := false;
    SELECT m.through INTO last FROM ${s}.queues m WHERE m.id = q FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      -- Taken after the row: who had it before has committed, and has counted what is older than its own edge.
      edge := pg_snapshot_xmin(pg_current_snapshot());
      WITH older AS (
        DELETE FROM ${s}.changes c WHERE c.queue = q AND c.xid >= last AND c.xid < edge RETURNING c.*
      ), added AS (
        SELECT count(*) AS rows, sum(delayed) AS delayed, sum(dead) AS dead, sum(bytes) AS bytes, sum(accepted) AS accepted,
            sum(completed) AS completed, sum(expired) AS expired, sum(dropped) AS dropped FROM older
      )
      UPDATE ${s}.queues m SET through = edge, delayed = m.delayed + a.delayed, dead = m.dead + a.dead,
          bytes = m.bytes + a.bytes, accepted = m.accepted + a.accepted, completed = m.completed + a.completed,
          expired = m.expired + a.expired, dropped = m.dropped + a.dropped
        FROM added a WHERE m.id = q AND a.rows > 0;
    END IF;
    ${forget(s, 'dedup')}
    ${forget(s, 'results')}
  END`,
  )
