/**
 * The tables. What every grant changes is kept apart from what never does:
 *
 *     tasks     a row a task, with its payload: inserted, deleted, and written again only when an attempt fails
 *     waiting   a very narrow row for each task, or block of tasks (blocks.ts), that may be granted one day: a push inserts it, a
 *               grant deletes it
 *                 state 0 ready: place is its rank; lower goes first, ties by seq
 *                 state 1 delayed: place is when it falls due
 *                 state 2 ready in its key's own line: place is its rank there
 *     grants    up to 64 tasks that were granted together: one row for their leases. `open` has a bit for each that is not
 *               settled yet. All end at `lease_end`, unless `ends` has their own ends. `look_at` is not later than any of
 *               them: an extension moves no index
 *     turns     the ordered tasks of each key that are queued, in the order of their coming; `key_lines` counts them
 *
 *     lines     one for each key whose tasks have a weight: see lines.ts. `fair` is what all of a queue have in common, `line_news`
 *               what has happened to lines since the last claim
 *
 * A task that is in none of `waiting` and `grants` is dead, or waits behind an earlier one of its key.
 *
 * Times are milliseconds since 1970 by the server's clock. Each query can use one index only, whatever the statistics say.
 * `odd` marks ready rows whose rank is not the time since when they are ready, or not the order of their push; only they, and those
 * in lines, need an index of their own to tell how long the oldest one has waited.
 *
 * Counters are kept without a row that everybody writes to: each transaction adds a row of differences to `changes`, and upkeep
 * adds up those of transactions older than all that still run (`through`) into the queue's own row.
 */

/** Kept by autovacuum by the number of dead rows alone: a queue is small and busy. Statistics are of no use to these queries. */
const BUSY = `autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000000000, vacuum_truncate = off`

const COUNTERS = `delayed bigint NOT NULL DEFAULT 0, dead bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0, completed bigint NOT NULL DEFAULT 0, expired bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0`

export const tables = (s: string): string => `
  CREATE TABLE ${s}.queues (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE,
    through xid8 NOT NULL DEFAULT '0', ${COUNTERS}
  ) WITH (fillfactor = 50);
  CREATE TABLE ${s}.changes (
    queue integer NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), ${COUNTERS}
  ) WITH (${BUSY});
  CREATE INDEX changes_xid ON ${s}.changes (queue, xid);

  CREATE TABLE ${s}.tasks (
    seq bigint PRIMARY KEY, created_at float8 NOT NULL, rank float8 NOT NULL, due float8 NOT NULL, expires_at float8,
    ttl float8, cost float8 NOT NULL, dead_at float8, queue integer NOT NULL, priority integer NOT NULL,
    bytes integer NOT NULL, attempts integer NOT NULL DEFAULT 0, ordered boolean NOT NULL,
    weight float8, id text COLLATE "C" NOT NULL, type text NOT NULL, key text COLLATE "C", headers text,
    payload text NOT NULL, failures text[], reason text
  ) WITH (${BUSY}, toast.vacuum_truncate = off);
  CREATE UNIQUE INDEX tasks_id ON ${s}.tasks (id, queue);
  CREATE INDEX tasks_dead ON ${s}.tasks (queue, dead_at, seq) WHERE dead_at IS NOT NULL;

  CREATE TABLE ${s}.waiting (
    place float8 NOT NULL, seq bigint NOT NULL, due float8 NOT NULL, rank float8 NOT NULL,
    queue integer NOT NULL, priority integer NOT NULL, state smallint NOT NULL, span smallint NOT NULL DEFAULT 1,
    odd boolean NOT NULL, key text COLLATE "C"
  ) WITH (${BUSY});
  CREATE INDEX waiting_place ON ${s}.waiting (queue, state, place, seq) WHERE state < 2;
  CREATE INDEX waiting_line ON ${s}.waiting (queue, key, place, seq) WHERE state = 2;
  CREATE INDEX waiting_odd ON ${s}.waiting (queue, state, due) WHERE state = 2 OR (state = 0 AND odd);

  CREATE TABLE ${s}.grants (
    id bigint PRIMARY KEY, look_at float8 NOT NULL, lease_end float8 NOT NULL, open bigint NOT NULL,
    queue integer NOT NULL, size integer NOT NULL, seqs bigint[] NOT NULL, ends float8[]
  ) WITH (fillfactor = 60, ${BUSY});
  CREATE INDEX grants_look_at ON ${s}.grants (queue, look_at);

  CREATE TABLE ${s}.key_lines (
    queue integer NOT NULL, key text COLLATE "C" NOT NULL, size integer NOT NULL, tail bigint NOT NULL, PRIMARY KEY (queue, key)
  ) WITH (fillfactor = 50, ${BUSY});
  CREATE TABLE ${s}.turns (
    queue integer NOT NULL, key text COLLATE "C" NOT NULL, turn bigint NOT NULL, seq bigint NOT NULL, due float8 NOT NULL,
    PRIMARY KEY (queue, key, turn)
  ) WITH (${BUSY});

  CREATE TABLE ${s}.fair (
    queue integer PRIMARY KEY, touched float8 NOT NULL DEFAULT 0, virtual float8 NOT NULL DEFAULT 0,
    greatest float8 NOT NULL DEFAULT 0, entries bigint NOT NULL DEFAULT 0, open_lines integer NOT NULL DEFAULT 0,
    open_weight float8 NOT NULL DEFAULT 0, least float8 NOT NULL DEFAULT 'Infinity',
    common_state smallint NOT NULL DEFAULT 0, common_finish float8 NOT NULL DEFAULT 0, common_score float8 NOT NULL DEFAULT 0,
    common_entered bigint NOT NULL DEFAULT 0, common_cost float8 NOT NULL DEFAULT 1,
    key_concurrency float8, key_per_second float8
  ) WITH (fillfactor = 50, ${BUSY});
  CREATE TABLE ${s}.lines (
    queue integer NOT NULL, key text COLLATE "C" NOT NULL, weight float8 NOT NULL, cost float8 NOT NULL,
    state smallint NOT NULL DEFAULT 0, finish float8 NOT NULL DEFAULT 0, score float8 NOT NULL DEFAULT 0,
    entered bigint NOT NULL DEFAULT 0, ready integer NOT NULL DEFAULT 0, in_flight integer NOT NULL DEFAULT 0,
    next_at float8 NOT NULL DEFAULT 0, rank float8 NOT NULL DEFAULT 'Infinity', PRIMARY KEY (queue, key)
  ) WITH (fillfactor = 50, ${BUSY});
  CREATE INDEX lines_open ON ${s}.lines (queue, score, entered) WHERE state = 1;
  CREATE INDEX lines_limited ON ${s}.lines (queue, state, next_at) WHERE state > 1;
  CREATE INDEX lines_empty ON ${s}.lines (queue, finish) WHERE state = 0;
  CREATE TABLE ${s}.line_news (
    number bigint GENERATED ALWAYS AS IDENTITY, at float8 NOT NULL, low float8, weight float8, cost float8,
    queue integer NOT NULL, came integer NOT NULL DEFAULT 0, ended integer NOT NULL DEFAULT 0, key text COLLATE "C" NOT NULL
  ) WITH (${BUSY});
  CREATE INDEX line_news_at ON ${s}.line_news (queue, at);

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
  CREATE SEQUENCE ${s}.grant_numbers;`
