/** What `forebay dead` does, once its flags are read. */

import type { DeadLetter } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'

const PAGE = 100

/** Prints up to `limit` dead letters, oldest first. */
export async function listDead(where: string, name: string, limit: number, json: boolean): Promise<void> {
  const queue = await LoadLevelingQueue.open(where, { name })
  try {
    let after: string | undefined
    let left = limit
    do {
      const page = await queue.dead.list({ limit: Math.min(PAGE, left), ...(after !== undefined && { after }) })
      for (const letter of page.items) process.stdout.write(json ? `${JSON.stringify(letter)}\n` : lineOf(letter))
      left -= page.items.length
      after = page.next
    } while (after !== undefined && left > 0)
    if (!json && left === limit) process.stdout.write('No dead letters.\n')
  } finally {
    await queue.close()
  }
}

/** Redrives or drops, and says how many. */
export async function endDead(
  where: string,
  name: string,
  what: 'redrive' | 'drop',
  which: readonly string[] | 'all',
): Promise<void> {
  if (which.length === 0) throw new ForebayError('INVALID_OPTION', `dead ${what}: name the ids, or give --all.`)
  const queue = await LoadLevelingQueue.open(where, { name })
  try {
    const count = await queue.dead[what](which)
    process.stdout.write(`${count} ${count === 1 ? 'task' : 'tasks'} ${what === 'drop' ? 'dropped' : 'redriven'}.\n`)
  } finally {
    await queue.close()
  }
}

function lineOf({ task, reason, deadAt }: DeadLetter): string {
  const last = task.failures.at(-1)
  const why = last ? `: ${last.code}: ${printable(last.message)}` : ''
  return `${printable(task.id)}  ${printable(task.type)}  ${new Date(deadAt).toISOString()}  ${reason}${why}\n`
}

/** What others wrote must not steer the reader's terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
