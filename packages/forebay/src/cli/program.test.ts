import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { run } from './program.ts'

let out = ''
let err = ''

beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text
    return true
  })
})
afterEach(() => vi.restoreAllMocks())

describe('forebay', () => {
  it('tells its version and its commands', async () => {
    expect(await run(['--version'])).toBe(0)
    expect(out).toMatch(/^\d+\.\d+\.\d+/)
    expect(await run(['--help'])).toBe(0)
    expect(out).toContain('replay')
    expect(out).toContain('dead')
  })

  it('runs the conformance suite, all of it or one topic', async () => {
    expect(await run(['conform', 'memory:conform', '--topic', 'push'])).toBe(0)
    expect(out).toMatch(/^push\n {2}ok {7}/)
    expect(out).toMatch(/\n\d+ passed, 0 failed, 1 skipped; nothing is left of its queues\n$/)
    expect(await run(['conform', 'memory:conform', '--topic', 'pull'])).toBe(2)
    expect(err).toContain('There is no topic "pull"; there are: push, claim')
  })

  it('moves a queue to another backend', async () => {
    const [from, to] = await Promise.all(['memory:old', 'memory:new'].map((url) => LoadLevelingQueue.open(url)))
    await from?.enqueueMany(Array.from({ length: 3 }, (_, payload) => ({ type: 't', payload })))
    expect(await run(['migrate', 'memory:old', 'memory:new'])).toBe(0)
    expect(out).toBe('3 tasks moved, 0 expired; 0 dead letters are left in the old queue.\n')
    expect((await to?.depth())?.ready).toBe(3)
    expect(await run(['migrate', 'memory:old', 'memory:old'])).toBe(2)
    expect(err).toContain('Both queues are the same; nothing was moved.')
    await Promise.all([from?.close(), to?.close()])
  })

  it.each([
    [['fly'], "unknown command 'fly'"],
    [['replay'], "missing required argument 'trace'"],
    [['replay', 'x.csv', '--rate', 'fast'], 'It is not a number above 0.'],
    [['replay', 'x.csv', '--target', 'ftp://x'], 'It is not an http(s) URL.'],
    [['replay', 'x.csv', '--sink', '70000'], 'It is not a port.'],
    [['work', 'memory:'], "missing required argument 'module'"],
    [['work', 'memory:', 'x.mjs', '--autoscale', '5..2'], 'It is not a range such as 0..8.'],
    [['work', 'memory:', 'x.mjs', '--p99-wait', '60'], 'It is not a duration such as 500ms, 30s, 5m or 1h.'],
    [['dead', 'list', 'memory:', '--limit', '0'], 'It is not a whole number above 0.'],
  ])('answers wrong use %j with what is wrong and exit code 2', async (args, fault) => {
    expect(await run(args)).toBe(2)
    expect(err).toContain(fault)
  })

  it.each([
    [['replay', 'x.csv'], 2, 'INVALID_OPTION', 'give either --target or --queue'],
    [['replay', 'x.csv', '--queue', 'memory:'], 2, 'INVALID_OPTION', 'needs --rate'],
    [['replay', '/no/such.csv', '--queue', 'memory:', '--rate', '5'], 2, 'INVALID_TRACE', 'no such file'],
    [['work', 'memory:', '/no/such.mjs'], 2, 'INVALID_OPTION', 'could not be loaded'],
    [
      ['work', 'memory:', import.meta.filename.replace('program.test', 'work')],
      2,
      'INVALID_OPTION',
      'no default export that is a handler',
    ],
    [['dead', 'drop', 'memory:'], 2, 'INVALID_OPTION', 'name the ids, or give --all'],
    [['dead', 'list', 'paper:'], 2, 'INVALID_URL', 'paper'],
  ])('%j: code, sentence and what to do, no stack trace', async (args, exit, code, sentence) => {
    expect(await run(args)).toBe(exit)
    expect(err).toMatch(new RegExp(`^forebay: ${code}: .*\\n.+\\.\\n$`))
    expect(err).toContain(sentence)
    expect(err).not.toMatch(/\n\s+at /)
  })
})

describe('forebay dead', () => {
  it('says that there is nothing, in words and as lines', async () => {
    expect(await run(['dead', 'list', 'memory:'])).toBe(0)
    expect(out).toBe('No dead letters.\n')
    out = ''
    expect(await run(['dead', 'list', 'memory:', '--json'])).toBe(0)
    expect(out).toBe('')
    expect(await run(['dead', 'redrive', 'memory:', '--all'])).toBe(0)
    expect(out).toBe('0 tasks redriven.\n')
  })

  it('lists, redrives and drops what is there, and lets nobody steer the terminal', async () => {
    const where = 'memory:dead-letters-of-the-command'
    const queue = await LoadLevelingQueue.open(where, { name: 'orders' })
    await queue.enqueueMany(['a', 'b', 'c'].map((id) => ({ id, type: 'charge', payload: 1 })))
    const claims = await queue.service.claim({ max: 3, leaseMs: 1_000, waitMs: 0 })
    const failure = { attempt: 1, at: 0, code: 'TARGET_FAILED', message: 'it said \u001b[31mno' }
    await queue.service.settle(
      claims.map((claim) => ({ claim, outcome: 'dead' as const, reason: 'refused' as const, failure })),
    )

    await run(['dead', 'list', where, '--name', 'orders', '--limit', '2'])
    expect(out.match(/refused: TARGET_FAILED: it said/g)).toHaveLength(2)
    expect(out).not.toContain('\u001b')
    out = ''
    await run(['dead', 'redrive', where, 'a', 'unknown', '--name', 'orders'])
    await run(['dead', 'drop', where, '--all', '--name', 'orders'])
    expect(out).toBe('1 task redriven.\n2 tasks dropped.\n')
    expect(await queue.depth()).toMatchObject({ ready: 1, dead: 0 })
    await queue.close()
  })
})
