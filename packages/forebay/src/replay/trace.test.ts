import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTrace, readTrace } from './trace.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)
const parse = async (text: string, speed = 1) => [...(await parseTrace([text], 'some.csv', { speed })).arrivalsMs]

describe('a trace of counts', () => {
  it('spreads the requests of a second evenly within it, from the first row on', async () => {
    expect(await parse('second,requests\n100,2\n101,0\n102,4\n')).toEqual([0, 500, 2_000, 2_250, 2_500, 2_750])
  })

  it('plays faster by the speed', async () => {
    expect(await parse('second,requests\n7,1\n8,1\n', 20)).toEqual([0, 50])
  })

  it('takes CRLF, empty lines and a missing last line end', async () => {
    expect(await parse('second,requests\r\n\r\n1,1\r\n2,1')).toEqual([0, 1_000])
  })

  it('has as many arrivals as its counts say, whatever they are, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { minLength: 1, maxLength: 50 }), async (counts) => {
        fc.pre(counts.some((count) => count > 0))
        const times = await parse(`second,requests\n${counts.map((count, s) => `${s},${count}`).join('\n')}`)
        expect(times).toHaveLength(counts.reduce((sum, count) => sum + count, 0))
        expect(times).toEqual(times.toSorted((a, b) => a - b))
      }),
    )
  })
})

describe('a trace of timestamps', () => {
  it('reads the first column, relative to the first row, with all decimals', async () => {
    const text = 'TIMESTAMP,Tokens\n2023-11-16 18:17:03.9799600,10\n2023-11-16 18:17:04.0319600,8\n'
    const [first, second] = await parse(text)
    expect(first).toBe(0)
    expect(second).toBeCloseTo(52, 2)
  })

  it('needs no header and obeys offsets', async () => {
    expect(await parse('2026-01-01T01:00:00+01:00\n2026-01-01T00:00:02Z\n')).toEqual([0, 2_000])
  })
})

describe('a malformed trace is refused with its line', () => {
  it.each([
    ['second,requests\n1,2\n2,x\n', 3, '"2,x" is not'],
    ['second,requests\n1,2\n2,-1\n', 3, 'is not'],
    ['second,requests\n1,2\n2,1.5\n', 3, 'is not'],
    ['second,requests\n5,1\n5,1\n', 3, 'seconds must rise'],
    ['second,requests\n5,1\n\n4,1\n', 4, 'seconds must rise'],
    ['second,requests\n1,0\n', 2, 'without one request'],
    ['', 1, 'without one request'],
    ['hello\nworld\n', 2, '"world" is not a time'],
    ['time\n2026-01-01 00:00:01\n2026-01-01 00:00:00\n', 3, 'rows must be in order'],
    ['time\n2026-99-01 00:00:01\n', 2, 'is not a time'],
    [`second,requests\n1,1\n${'9'.repeat(70_000)}`, 3, 'longer than'],
    ['second,requests\n1,999999999\n', 2, 'more than'],
  ])('%j', async (text, line, fault) => {
    const refusal = parse(text)
    await expect(refusal).rejects.toMatchObject({ code: 'INVALID_TRACE', path: `line ${line}` })
    await expect(refusal).rejects.toThrow(fault)
  })

  it('says so when there is no such file', async () => {
    await expect(readTrace('/nowhere/at/all.csv')).rejects.toMatchObject({ code: 'INVALID_TRACE' })
  })

  it.each([0, -1, Number.NaN])('refuses a speed of %s', async (speed) => {
    await expect(parse('second,requests\n1,1\n', speed)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

it('is the same whatever chunks the text comes in', async () => {
  const text = 'second,requests\r\n10,3\r\n11,1\r\n12,2\r\n'
  const whole = await parse(text)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 10 }), async (size) => {
      const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? []
      expect([...(await parseTrace(chunks, 'some.csv')).arrivalsMs]).toEqual(whole)
    }),
  )
})

it('reads the shipped ten minutes', async () => {
  const { arrivalsMs } = await readTrace(SLICE)
  expect(arrivalsMs).toHaveLength(3_054)
  expect(arrivalsMs.at(-1)).toBeLessThan(600_000)
})

describe('a column of the trace', () => {
  const read = (text: string, column: string) => parseTrace([text], 'x.csv', { column })
  const ROWS = 'time,path,"took"\n2026-01-01T00:00:00Z,/a,12.5\n2026-01-01T00:00:01Z,/b,0\n'

  it('is read by its name or its number', async () => {
    expect([...((await read(ROWS, 'took')).column ?? [])]).toEqual([12.5, 0])
    expect([...((await read(ROWS, '3')).column ?? [])]).toEqual([12.5, 0])
    expect([...((await read(ROWS.slice(ROWS.indexOf('\n') + 1), '3')).column ?? [])]).toEqual([12.5, 0])
  })

  it.each([
    [ROWS, 'latency', 'line 1: there is no column "latency"'],
    [ROWS, 'path', 'line 2: "/a" in column 2 is not a number'],
    [ROWS, '4', 'line 2: "" in column 4 is not a number'],
    ['second,requests\n0,1\n', 'took', 'a trace of counts has no column "took"'],
  ])('is refused where it is none (%#)', async (text, column, fault) => {
    await expect(read(text, column)).rejects.toMatchObject({
      code: 'INVALID_TRACE',
      message: expect.stringContaining(fault),
    })
  })
})
