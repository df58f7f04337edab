/** The names of a queue's keys. All begin with one name, whose hash tag puts them into one slot of a cluster. */

export const DEFAULT_PREFIX = 'forebay'

/** @returns for example `forebay:{orders}` */
export function keyOf(prefix: string, queue: string): string {
  // Braces would end the hash tag, and an empty one is none.
  const tag = queue.replace(/[{}%]/g, (char) => encodeURIComponent(char)) || '%'
  return `${prefix}:{${tag}}`
}
