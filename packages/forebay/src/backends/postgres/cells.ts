/**
 * What all consumers of a queue keep together: one row a cell, changed by the pure steps of flow/shared-steps.ts. A step reads the
 * cell and stores it if it is still what it read; else it is done again. The rows are unlogged: a crash of the server empties them,
 * and they cost no sync.
 */

import { ForebayError } from '../../errors.ts'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import type { Applied } from '../shared-state.ts'
import type { Database } from './database.ts'
import { NOW } from './sql/routine.ts'

/** Each time somebody else was faster, so that this many others got what they wanted. */
const MOST_TRIES = 200

/** The time never goes back, though the server's clock may be set. */
const load = (schema: string): string => `
  SELECT c.content, coalesce(c.version, 0), greatest(${NOW}, c.touched)
  FROM (SELECT 1) one LEFT JOIN "${schema}".cells c ON c.queue = $1 AND c.name = $2`

const save = (schema: string): string => `
  INSERT INTO "${schema}".cells AS c (queue, name, version, touched, content) VALUES ($1, $2, 1, $4, $5)
  ON CONFLICT (queue, name) DO UPDATE SET version = c.version + 1, touched = excluded.touched, content = excluded.content
    WHERE c.version = $3
  RETURNING version`

export async function applyToCell<S extends Step>(
  database: Database,
  queue: number,
  cell: string,
  step: S,
): Promise<Applied<S>> {
  for (let tried = 1; tried <= MOST_TRIES; tried++) {
    const [row] = await database.rows('load cell', load(database.schema), [queue, cell])
    const [content, version, now] = row as [string | null, string, number]
    const [next, result] = applyStep(content ?? undefined, step, now)
    const stored = await database.rows('save cell', save(database.schema), [queue, cell, version, now, next])
    if (stored.length > 0) return { result, now }
  }
  throw new ForebayError(
    'BACKEND_LOCKED',
    `The shared cell "${cell}" was changed by others all the time; nothing was done.`,
  )
}
