import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { ProgressLine } from './progress.ts'

function setUp(isTTY: boolean) {
  const clock = new VirtualClock()
  const written: string[] = []
  const line = new ProgressLine(clock, { isTTY, write: (text: string) => written.push(text) })
  return { clock, written, line }
}

it('draws one line on a terminal, not more often than an eye can follow, and takes it away', async () => {
  const { clock, written, line } = setUp(true)
  line.show(0.5, 'half')
  line.show(0.6, 'too soon')
  await clock.advance(100)
  line.show(1, 'all')
  line.clear()
  expect(written).toHaveLength(3)
  expect(written[0]).toMatch(/^\r.*━{12}╌{12} half$/)
  expect(written[1]).toContain('━━━ all')
  expect(written[2]).toBe('\r\u001b[2K')
})

it('writes whole lines into a log, and only now and then', async () => {
  const { clock, written, line } = setUp(false)
  line.show(0.1, 'at once')
  await clock.advance(10_000)
  line.show(0.5, 'half')
  line.show(0.6, 'too soon')
  line.clear()
  expect(written).toEqual(['half\n'])
})
