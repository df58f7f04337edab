/** The command as a user calls it: a whole process, its output, its files and its exit code. */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

const MAIN = join(import.meta.dirname, '../../packages/forebay/src/cli/main.ts')
const TRACE = join(import.meta.dirname, '../../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-plan-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const plan = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [MAIN, 'plan', ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })

it('plans a recorded load, with its what-ifs and a picture', async () => {
  const svg = join(folder, 'plan.svg')
  const { code, stdout } = await plan(
    TRACE,
    '--service-time',
    'exp:500ms',
    '--slo',
    'p99 wait < 30s',
    '--worker-cost',
    '0.1',
    '--svg',
    svg,
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/rate {7}5\.07\/s, 32% of the peak \(no queue can do with less than 5\.05\/s\)/)
  expect(stdout).toMatch(/half the rate +2\.54\/s .* broken: \d/)
  expect(stdout).toContain('input/s')
  expect(stdout).not.toContain('\u001b')
  const drawn = await readFile(svg, 'utf8')
  expect(drawn).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  // Whole, and without the folders that it lies in.
  expect(drawn).toContain('>nasa-http-1995-07-13-busiest-10min.csv: p99 wait &lt; 30s</text>')
})

it('prints the plan as JSON and nothing else', async () => {
  const { stdout } = await plan(TRACE, '--service-time', '100ms', '--slo', 'p99 wait < 30s', '--json')
  expect(JSON.parse(stdout)).toMatchObject({
    requests: 3_054,
    chosen: { setting: { ratePerSecond: 5.07, workers: 1 }, forecast: { isKept: true }, cost: null },
  })
})

it('ends with 1 and a sentence where no queue can help', async () => {
  const { code, stdout } = await plan(TRACE, '--service-time', '100ms', '--slo', 'p99 wait < 30s', '--max-rate', '4')
  expect(code).toBe(1)
  expect(stdout).toContain('Load leveling is the wrong answer')
})

it('learns the load from an access log, with its durations, and saves it as a trace', async () => {
  const log = join(folder, 'access.log')
  const saved = join(folder, 'learned.csv')
  const line = (index: number) =>
    JSON.stringify({ msec: 1_767_607_200 + Math.floor(index / 20) * 10 + (index % 20) / 100, request_time: '0.100' })
  await writeFile(log, [...Array.from({ length: 100 }, (_, index) => line(index)), 'garbage'].join('\n'))
  const first = await plan(
    '--from',
    log,
    '--service-time',
    'column:duration',
    '--slo',
    'max wait < 5s',
    '--save',
    saved,
  )
  expect(first.stdout).toContain(
    '100 requests in one JSON object a line; 1 lines could not be read, the first is line 101.',
  )
  expect(first.code).toBe(0)
  const again = await plan(saved, '--service-time', 'column:duration', '--slo', 'max wait < 5s')
  const rateOf = (text: string) => /rate {7}.*/.exec(text)?.[0]
  expect(rateOf(again.stdout)).toBe(rateOf(first.stdout))
  expect(rateOf(first.stdout)).toContain('/s')
})

it('learns the load from Prometheus', async () => {
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x')
    const end = Number(searchParams.get('end'))
    const values = Array.from({ length: 10 }, (_, index) => [end - 60 * (9 - index), index === 5 ? '8' : '1'])
    response.end(
      JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, values }] } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, stdout } = await plan(
    ...['--from', 'prometheus', url, '--query', 'http_requests_total', '--since', '10m'],
    ...['--service-time', '50ms', '--slo', 'p99 wait < 1m'],
  )
  expect(stdout).toContain('sum(rate(http_requests_total[120s]))')
  expect(stdout).toMatch(/load {7}1,0\d\d requests/)
  expect(code).toBe(0)
})

it.each([
  [[], "required option '--service-time"],
  [['--service-time', '1s', '--slo', 'p99 wait < 1s'], 'give either a trace or --from'],
  [['x.csv', '--service-time', '1s', '--slo', 'fast'], 'is not of the form "p99 wait < 30s"'],
  [['x.csv', '--service-time', 'fast', '--slo', 'p99 wait < 1s'], 'is not a span of time such as 250ms'],
  [['--from', 'prometheus', '--service-time', '1s', '--slo', 'p99 wait < 1s'], 'needs the URL of the server'],
  [['--from', 'prometheus', 'http://127.0.0.1:1', '--service-time', '1s', '--slo', 'p99 wait < 1s'], 'needs --query'],
  [['/no/such.csv', '--service-time', '1s', '--slo', 'p99 wait < 1s'], 'no such file'],
  [[TRACE, '--service-time', 'column:latency', '--slo', 'p99 wait < 1s'], 'a trace of counts has no column'],
])('answers wrong use %j in a sentence, with exit code 2', async (args, fault) => {
  const { code, stderr } = await plan(...args)
  expect(stderr).toContain(fault)
  expect(stderr).not.toMatch(/\n\s+at /)
  expect(code).toBe(2)
})
