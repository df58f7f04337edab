/**
 * The tables. A task is two rows with one number: `tasks` holds what never changes, with the payload, and is only inserted and
 * deleted; `places` holds what every grant changes, and stays narrow.
 *
 *     state      place, by which the row is found
 *     0 ready    its rank: lower goes first, ties by seq
 *     1 delayed  when it falls due
 *     2 in flight  when to look at its lease: not later than `lease_end`, which an extension moves without touching an index
 *     3 dead     when it died
 *     4 blocked  not found by place: it waits for an earlier one of its key
 *
 * Times are milliseconds since 1970 by the server's clock. Each query can use one index only, whatever the statistics say:
 * `places_place` is for those that name a state as a constant, the primary key for those that name ids.
 *
 * `odd` marks ready rows whose rank is not the time since when they are ready; only they need an index of their own to tell how
 * long the oldest one has waited.
 *
 * Counters are kept without a row that everybody writes to: each transaction adds a row of differences to `changes`, and upkeep
 * adds up those of transactions older than all that still run (`through`) into the queue's own row.
 */

/** Kept by autovacuum by the number of dead rows alone: a queue is small and busy. Statistics are of no use to these queries. */
const BUSY = `autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000000000, vacuum_truncate = off`

export const tables = (s: string): string => `
  CREATE TABLE ${s}.queues (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE,
    through xid8 NOT NULL DEFAULT '0',
    delayed bigint NOT NULL DEFAULT 0, dead bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0, completed bigint NOT NULL DEFAULT 0, expired bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);
  CREATE TABLE ${s}.changes (
    queue integer NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    delayed bigint NOT NULL DEFAULT 0, dead bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0, completed bigint NOT NULL DEFAULT 0, expired bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0
  ) WITH (${BUSY});
  CREATE INDEX changes_xid ON ${s}.changes (queue, xid);
  CREATE TABLE ${s}.tasks (
    seq bigint PRIMARY KEY, created_at float8 NOT NULL, ttl float8, cost float8 NOT NULL,
    priority integer NOT NULL, bytes integer NOT NULL, type text NOT NULL, key text, headers text, payload text NOT NULL
  ) WITH (${BUSY}, toast.vacuum_truncate = off);
  CREATE TABLE ${s}.places (
    seq bigint NOT NULL, place float8 NOT NULL, rank float8 NOT NULL, due float8 NOT NULL,
    lease_end float8 NOT NULL DEFAULT 0, token bigint NOT NULL DEFAULT 0, expires_at float8, turn bigint,
    queue integer NOT NULL, attempts integer NOT NULL DEFAULT 0, state smallint NOT NULL, odd boolean NOT NULL DEFAULT false,
    id text COLLATE "C" NOT NULL, order_key text COLLATE "C", reason text, failures text[],
    PRIMARY KEY (id, queue)
  ) WITH (fillfactor = 90, ${BUSY});
  CREATE INDEX places_place ON ${s}.places (queue, state, place, seq) WHERE state < 4;
  CREATE INDEX places_odd ON ${s}.places (queue, due) WHERE state = 0 AND odd;
  CREATE INDEX places_turn ON ${s}.places (queue, order_key, turn) WHERE turn IS NOT NULL;
  CREATE TABLE ${s}.key_lines (
    queue integer NOT NULL, key text COLLATE "C" NOT NULL, size integer NOT NULL, tail bigint NOT NULL, PRIMARY KEY (queue, key)
  ) WITH (fillfactor = 50, ${BUSY});
  CREATE TABLE ${s}.dedup (
    queue integer NOT NULL, dedup_id text COLLATE "C" NOT NULL, task_id text NOT NULL, print bytea NOT NULL,
    until float8 NOT NULL, PRIMARY KEY (queue, dedup_id)
  ) WITH (${BUSY});
  CREATE INDEX dedup_until ON ${s}.dedup (until);
  CREATE TABLE ${s}.results (
    queue integer NOT NULL, id text COLLATE "C" NOT NULL, completed_at float8 NOT NULL, until float8 NOT NULL,
    result text NOT NULL, PRIMARY KEY (queue, id)
  ) WITH (${BUSY});
  CREATE INDEX results_until ON ${s}.results (until);
  CREATE UNLOGGED TABLE ${s}.cells (
    queue integer NOT NULL, name text COLLATE "C" NOT NULL, version bigint NOT NULL, touched float8 NOT NULL,
    content text NOT NULL, PRIMARY KEY (queue, name)
  ) WITH (fillfactor = 20, ${BUSY});
  CREATE SEQUENCE ${s}.batches;
  CREATE SEQUENCE ${s}.grants;`
