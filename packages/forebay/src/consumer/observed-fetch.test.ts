import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { CallReport } from './handler.ts'
import { type ObservedFetchOptions, observedFetch } from './observed-fetch.ts'

/** A `fetch` that takes 30 ms and answers so, or throws. */
async function observed(
  answer: { readonly status: number; readonly headers?: Record<string, string> } | Error,
  { signal = new AbortController().signal, ...options }: ObservedFetchOptions & { readonly signal?: AbortSignal } = {},
) {
  const clock = new VirtualClock()
  const reports: CallReport[] = []
  const fetch = async (_url: string, _init: { readonly method: string }) => {
    await new Promise<void>((resolve) => void clock.after(30, resolve))
    if (answer instanceof Error) throw answer
    return { status: answer.status, headers: new Headers(answer.headers), url: _url, method: _init.method }
  }
  const report = (call: CallReport) => void reports.push(call)
  const called = observedFetch(fetch, { report, signal }, { clock, ...options })('http://service/', { method: 'PUT' })
  const settled = called.then(
    (response) => response,
    (thrown: unknown) => thrown,
  )
  await clock.advance(30)
  return { reports, result: await settled }
}

describe('observedFetch', () => {
  it.each([
    [200, {}, { result: 'ok' }],
    [404, {}, { result: 'ok' }],
    [429, {}, { result: 'refused' }],
    [429, { 'retry-after': '7' }, { result: 'refused', retryAfterMs: 7_000 }],
    [503, { 'retry-after': '7' }, { result: 'refused', retryAfterMs: 7_000 }],
    [503, {}, { result: 'failed' }],
    [503, { 'retry-after': 'soon' }, { result: 'failed' }],
    [500, { 'retry-after': '7' }, { result: 'failed' }],
    [599, {}, { result: 'failed' }],
  ])('%i %o', async (status, headers, expected) => {
    const { reports, result } = await observed({ status, headers })
    expect(reports).toEqual([{ ...expected, latencyMs: 30 }])
    expect(result).toMatchObject({ status, url: 'http://service/', method: 'PUT' })
  })

  it('cuts an absurd Retry-After', async () => {
    const headers = { 'retry-after': '999999999' }
    expect((await observed({ status: 429, headers })).reports[0]?.retryAfterMs).toBe(300_000)
    const { reports } = await observed({ status: 429, headers }, { maxRetryAfterMs: 2_000 })
    expect(reports[0]?.retryAfterMs).toBe(2_000)
  })

  it('no answer is a failure, and so is one that did not come in time; what was given up says nothing', async () => {
    const refused = new TypeError('connect ECONNREFUSED')
    expect(await observed(refused)).toEqual({ reports: [{ result: 'failed', latencyMs: 30 }], result: refused })
    const aborted = (code: 'TASK_TIMEOUT' | 'QUEUE_CLOSED' | 'LEASE_LOST') =>
      observed(refused, { signal: AbortSignal.abort(new ForebayError(code, 'The attempt ends.')) })
    expect((await aborted('TASK_TIMEOUT')).reports).toHaveLength(1)
    expect((await aborted('QUEUE_CLOSED')).reports).toEqual([])
    expect((await aborted('LEASE_LOST')).reports).toEqual([])
  })

  it('takes what is called like fetch, such as fetch itself', () => {
    const context = { report: () => {}, signal: new AbortController().signal }
    const observed: typeof fetch = observedFetch(fetch, context)
    expect(observed).toBeTypeOf('function')
  })
})
