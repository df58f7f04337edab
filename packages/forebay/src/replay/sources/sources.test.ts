import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseTrace } from '../trace.ts'
import { learnFromAccessLog, learnFromLines } from './access-log.ts'
import { cloudFrontParser } from './cloudfront-log.ts'
import { parseCommonLog } from './clf-log.ts'
import { parseJsonLog } from './json-log.ts'
import { spreadWithinSeconds, traceRows } from './learned-trace.ts'
import { learnFromPrometheus } from './prometheus.ts'

const AT = Date.UTC(2000, 9, 10, 20, 55, 36)

describe('the common log format', () => {
  it.each([
    '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
    '2001:db8::1 - - [10/Oct/2000:20:55:36 +0000] "GET / HTTP/1.1" 200 612 "https://example.com/" "curl/8.0"',
    'host.example - some one [10/Oct/2000:22:25:36 +0130] "-" 408 -',
  ])('%s', (line) => {
    expect(parseCommonLog(line)).toEqual({ atMs: AT })
  })

  it.each([
    '',
    'GET /',
    '1 - - [10/Okt/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1',
    '1 - - [41/Oct/2000:13:55:36 -0700] "G" 1 1',
  ])('cannot read %j', (line) => expect(parseCommonLog(line)).toBe('bad'))
})

describe("CloudFront's logs", () => {
  it('are read by the names of their fields', () => {
    const parse = cloudFrontParser()
    expect(parse('#Version: 1.0')).toBe('comment')
    expect(parse('#Fields: date time x-edge-location time-taken cs-method')).toBe('comment')
    expect(parse('2000-10-10\t20:55:36\tLAX1\t0.25\tGET')).toEqual({ atMs: AT, durationMs: 250 })
    expect(parse('2000-10-10\t20:55:36\tLAX1\t-\tGET')).toEqual({ atMs: AT })
    expect(parse('2000-10-10 20:55:36 LAX1')).toBe('bad')
    expect(parse('2000-99-99\t20:55:36\tLAX1')).toBe('bad')
  })

  it('are read by the usual places where no fields are named', () => {
    const cells = ['2000-10-10', '20:55:36', ...Array.from({ length: 16 }, () => '-'), '1.5']
    expect(cloudFrontParser()(cells.join('\t'))).toEqual({ atMs: AT, durationMs: 1_500 })
  })
})

describe('logs of JSON lines', () => {
  it.each([
    [
      { time_iso8601: '2000-10-10T20:55:36+00:00', msec: '971211336.125', request_time: '0.040' },
      { atMs: AT + 125, durationMs: 40 },
    ],
    [
      { time: '2000-10-10T20:55:36.5Z', request_time: 2 },
      { atMs: AT + 500, durationMs: 2_000 },
    ],
    [{ time_local: '10/Oct/2000:13:55:36 -0700', request_time: '-' }, { atMs: AT }],
    [{ timestamp: 971_211_336 }, { atMs: AT }],
    [{ ts: '971211336' }, { atMs: AT }],
  ])('%j', (entry, request) => {
    expect(parseJsonLog(JSON.stringify(entry))).toEqual(request)
  })

  it.each(['{"time":"yesterday"}', '{}', '[1]', '"x"', 'null', '{"time_iso8601":'])('cannot read %s', (line) => {
    expect(parseJsonLog(line)).toBe('bad')
  })
})

describe('an access log', () => {
  const line = (second: number) => `1.2.3.4 - - [10/Oct/2000:20:55:${second} +0000] "GET / HTTP/1.1" 200 1`

  it('is sorted and spread within its seconds; what cannot be read is counted and told', async () => {
    const lines = ['# a comment of nobody', line(37), line(36), '', 'garbage', line(36), line(36), line(36)]
    const learned = await learnFromLines(lines, 'access.log')
    expect([...learned.arrivalsMs]).toEqual([0, 250, 500, 750, 1_000])
    expect(learned).toMatchObject({ startEpochMs: AT, durationsMs: undefined })
    expect(learned.told).toBe(
      'access.log: 5 requests in the common log format; 1 lines could not be read, the first is line 5.',
    )
  })

  it('tells how long requests took where every one says it', async () => {
    const entry = (second: number, took?: number) =>
      JSON.stringify({
        time: new Date(AT + 1_000 * second).toISOString(),
        ...(took !== undefined && { request_time: took }),
      })
    const all = await learnFromLines([entry(1, 0.5), entry(0, 0.25)], 'log')
    expect([...(all.durationsMs ?? [])]).toEqual([250, 500])
    expect((await learnFromLines([entry(0, 0.5), entry(1)], 'log')).durationsMs).toBeUndefined()
  })

  it('becomes a trace that is read again as it was', async () => {
    const entry = (ms: number) => JSON.stringify({ time: new Date(AT + ms).toISOString(), request_time: ms / 1_000 })
    const learned = await learnFromLines([0, 40, 1_250].map(entry), 'log')
    const trace = await parseTrace(traceRows(learned), 'saved.csv', { column: 'duration' })
    expect([...trace.arrivalsMs]).toEqual([...learned.arrivalsMs])
    expect([...(trace.column ?? [])]).toEqual([0, 40, 1_250])
  })

  it('is refused where no line can be read, or no file is there', async () => {
    await expect(learnFromLines(['a', 'b'], 'x.log')).rejects.toMatchObject({
      code: 'INVALID_TRACE',
      message: expect.stringContaining('x.log: no line of it is of a known format; there are one JSON object a line'),
    })
    await expect(learnFromAccessLog('/no/such.log')).rejects.toMatchObject({ code: 'INVALID_TRACE' })
  })

  it('leaves times with fractions where they are', () => {
    const times = Float64Array.of(1_000, 1_000, 1_500.5, 1_500.5, 2_000)
    spreadWithinSeconds(times)
    expect([...times]).toEqual([1_000, 1_500, 1_500.5, 1_500.5, 2_000])
  })
})

describe('Prometheus', () => {
  const serve = async (answer: (query: URLSearchParams) => unknown) => {
    const asked: URLSearchParams[] = []
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://x')
      asked.push(url.searchParams)
      const body = answer(url.searchParams)
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), asked }
  }
  const matrix = (...series: (readonly [number, string])[][]) => ({
    status: 'success',
    data: { resultType: 'matrix', result: series.map((values) => ({ metric: {}, values })) },
  })
  const time = { fromMs: 0, untilMs: 120_000, stepMs: 60_000 }

  it('turns the rate of a counter into arrivals, all series together', async () => {
    const { url, asked } = await serve(() =>
      matrix(
        [
          [60, '0.05'],
          [120, '0.025'],
        ],
        [
          [120, '0.025'],
          [60, 'NaN'],
        ],
      ),
    )
    const learned = await learnFromPrometheus({ url, query: 'requests_total{job="shop"}', ...time })
    // Three in the first minute, three in the second, evenly.
    expect([...learned.arrivalsMs]).toEqual([0, 20_000, 40_000, 60_000, 80_000, 100_000])
    expect(learned.startEpochMs).toBe(10_000)
    expect(asked[0]?.get('query')).toBe('sum(rate(requests_total{job="shop"}[120s]))')
    expect([asked[0]?.get('start'), asked[0]?.get('end'), asked[0]?.get('step')]).toEqual(['0', '120', '60'])
    expect(learned.told).toContain('2 points, each of 60 s; 1 points were no numbers')
  })

  it('carries fractions on, so that none is lost', async () => {
    const points = Array.from({ length: 100 }, (_, index): [number, string] => [index + 1, '0.1'])
    const { url } = await serve(() => matrix(points))
    const learned = await learnFromPrometheus({ url, query: 'x', fromMs: 0, untilMs: 100_000, stepMs: 1_000 })
    expect(learned.arrivalsMs).toHaveLength(10)
  })

  it('asks for a long time in parts, and takes an expression as it is', async () => {
    const { url, asked } = await serve((query) => matrix([[Number(query.get('start')), '1']]))
    const query = 'sum(irate(x[1m]))'
    await learnFromPrometheus({ url, query, fromMs: 0, untilMs: 25_000_000, stepMs: 1_000 })
    expect(asked.map((one) => [one.get('start'), one.get('end')])).toEqual([
      ['0', '9999'],
      ['10000', '19999'],
      ['20000', '25000'],
    ])
    expect(asked[0]?.get('query')).toBe(query)
  })

  it.each([
    [() => ({ status: 'error', error: 'parse error' }), 'TARGET_FAILED', 'refuses the query: parse error'],
    [() => '<html>', 'TARGET_FAILED', 'does not answer as Prometheus does (status 200)'],
    [() => matrix(), 'INVALID_TRACE', 'It knows of no arrival in that time'],
  ])('says what is wrong (%#)', async (answer, code, message) => {
    const { url } = await serve(answer)
    await expect(learnFromPrometheus({ url, query: 'x', ...time })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })
})
