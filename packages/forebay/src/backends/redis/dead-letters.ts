/** Lists, redrives and drops dead letters, so many in a script that no other client of the server waits long for it. */

import type { DeadReason, TaskId } from '../../task.ts'
import type { DeadLetter, DeadPage } from '../queue-service.ts'
import { type Argument, type RunScript, script } from './script.ts'
import { LIST_DEAD_SCRIPT } from './scripts/list-dead-script.ts'
import { TAKE_DEAD_SCRIPT } from './scripts/take-dead-script.ts'
import { storedTask } from './task-body.ts'

const LIST_DEAD = script(LIST_DEAD_SCRIPT)
const TAKE_DEAD = script(TAKE_DEAD_SCRIPT)

const AT_ONCE = 500

/** How many values a dead letter is in the script's answer. */
const VALUES = 7

/** Pages of more than a script may list are made of several. */
export async function listDead(run: RunScript, limit: number, after = ''): Promise<DeadPage> {
  const items: DeadLetter[] = []
  let cursor = after
  do {
    const [next, ...values] = (await run(LIST_DEAD, [Math.min(limit - items.length, AT_ONCE), cursor])) as Argument[]
    for (let at = 0; at < values.length; at += VALUES) items.push(letterOf(values.slice(at, at + VALUES) as Letter))
    cursor = next as string
  } while (cursor !== '' && items.length < limit)
  return { items, next: cursor === '' ? undefined : cursor }
}

type Letter = [
  id: string,
  attempts: number,
  createdAt: number,
  failures: string,
  body: string,
  reason: DeadReason,
  deadAt: number,
]

function letterOf([id, attempts, createdAt, failures, body, reason, deadAt]: Letter): DeadLetter {
  return { task: storedTask(body, { id, attempts, createdAt, failures }), reason, deadAt }
}

/** Those that die meanwhile are left. */
export async function takeDead(
  run: RunScript,
  how: 'redrive' | 'drop',
  which: readonly TaskId[] | 'all',
): Promise<number> {
  let count = 0
  if (which === 'all') {
    for (let until = '', taken = AT_ONCE; taken === AT_ONCE; count += taken) {
      const [number, now] = (await run(TAKE_DEAD, [how, AT_ONCE, until])) as [number, string]
      taken = number
      until ||= now
    }
    return count
  }
  for (let at = 0; at < which.length; at += AT_ONCE) {
    const [number] = (await run(TAKE_DEAD, [how, 0, ...which.slice(at, at + AT_ONCE)])) as [number]
    count += number
  }
  return count
}
