/** Server-Sent Events out of the text chunks in which they arrive. */

export interface StreamEvent {
  readonly name: string
  readonly data: string
}

/** Takes chunks as they come, which may end anywhere, and returns the events that each one completes. */
export class EventStreamParser {
  #rest = ''

  push(chunk: string): StreamEvent[] {
    const blocks = (this.#rest + chunk).replaceAll('\r\n', '\n').split('\n\n')
    this.#rest = blocks.pop() ?? ''
    return blocks.map(readBlock).filter((event) => event.data !== '')
  }
}

function readBlock(block: string): StreamEvent {
  let name = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) name = line.slice('event:'.length).trim()
    else if (line.startsWith('data:')) data.push(line.slice('data:'.length).trimStart())
  }
  return { name, data: data.join('\n') }
}
