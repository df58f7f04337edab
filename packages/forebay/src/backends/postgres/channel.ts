/** The channel on which work in a queue is announced, within the 63 characters that a name may have. */
export function channelOf(schema: string, queue: number): string {
  return `${schema}.${queue}`
}
