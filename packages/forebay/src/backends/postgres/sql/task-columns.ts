/** A task as every function answers it: the columns of its row in this order, with their types. */

export const TASK_COLUMNS = `attempts integer, failures text[], created_at float8, priority integer, cost float8, ordered boolean,
      ttl float8, type text, key text, headers text, payload text`

/** @param more Attempts that are not counted in the row: that of a task in flight. */
export const taskColumns = (more = '0'): string =>
  `t.attempts + ${more}, t.failures, t.created_at, t.priority, t.cost, t.ordered, t.ttl, t.type, t.key, t.headers, t.payload`
