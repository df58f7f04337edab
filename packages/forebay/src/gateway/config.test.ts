import { describe, expect, it } from 'vitest'
import { EXAMPLE_CONFIG } from '../cli/init.ts'
import { ForebayError } from '../errors.ts'
import { loadConfig } from './config.ts'

const load = (text: string, sources: Omit<Parameters<typeof loadConfig>[0], 'path' | 'text'> = {}) =>
  loadConfig({ path: 'forebay.yaml', text, ...sources })

const ONE = 'queues:\n  orders:\n    target: http://example.com/orders\n    rate: 50\n'

async function faultOf(text: string, sources = {}): Promise<string> {
  const fault = await load(text, sources).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(fault).toBeInstanceOf(ForebayError)
  expect(fault).toMatchObject({ code: 'INVALID_CONFIG', exitCode: 2 })
  return (fault as ForebayError).message
}

describe('a configuration', () => {
  it('needs a queue with a target and a rate; all else has defaults', async () => {
    expect(await load(ONE)).toMatchObject({
      listen: '127.0.0.1:8080',
      storage: 'sqlite:forebay.db',
      tokens: [],
      replyWaitMs: 30_000,
      keepResultsMs: 3_600_000,
      limits: { bodyBytes: 1_048_576 },
      queues: {
        orders: {
          target: { url: 'http://example.com/orders', method: 'POST', timeoutMs: 30_000 },
          rate: { perSecond: 50, burst: 0, counts: 'tasks', also: [], rampMs: 500 },
          concurrency: 8,
          overflow: { policy: 'reject' },
          shedLate: false,
          idempotencyWindowMs: 3_600_000,
          retry: { maxAttempts: 3 },
          onClientError: 'dead',
        },
      },
    })
  })

  it('takes the long forms of target and rate', async () => {
    const text =
      'queues: { a: { target: { url: "https://example.com", method: PUT }, rate: { perSecond: 0.5, rampMs: 0 } } }'
    expect((await load(text)).queues.a).toMatchObject({
      target: { method: 'PUT' },
      rate: { perSecond: 0.5, rampMs: 0 },
    })
  })

  it('takes several limits on the rate, in any unit, and makes them per second', async () => {
    const rate = '{ perHour: 1800, burst: 3, also: [{ perMinute: 90000, counts: cost }, { perSecond: 2 }] }'
    expect((await load(ONE.replace('50', rate))).queues.orders?.rate).toEqual({
      perSecond: 0.5,
      burst: 3,
      counts: 'tasks',
      also: [
        { perSecond: 1_500, burst: 0, counts: 'cost' },
        { perSecond: 2, burst: 0, counts: 'tasks' },
      ],
      rampMs: 500,
    })
  })

  it('takes weights of keys', async () => {
    const { orders } = (await load(`${ONE}    fair: { weights: { acme: 2.5 } }\n`)).queues
    expect(orders?.fair).toEqual({ weights: { acme: 2.5 } })
  })

  it.each([
    ['drop-oldest', { policy: 'drop-oldest' }],
    ['{ policy: drop-lowest-priority }', { policy: 'drop-lowest-priority' }],
    ['{ policy: wait, deadlineMs: 2000 }', { policy: 'wait', deadlineMs: 2_000 }],
    ['{ policy: spill, to: "sqlite:spill.db" }', { policy: 'spill', to: 'sqlite:spill.db' }],
  ])('takes overflow: %s', async (text, overflow) => {
    expect((await load(`${ONE}    overflow: ${text}\n`)).queues.orders?.overflow).toEqual(overflow)
  })

  it('is overridden by the environment, and that by flags', async () => {
    const env = {
      FOREBAY_LISTEN: '127.0.0.1:1',
      FOREBAY_STORAGE: 'memory:',
      FOREBAY_TOKENS: 'a-token-of-16-chars, b-token-of-16-chars',
      FOREBAY_GRACE_MS: '5',
    }
    const config = await load(`listen: 127.0.0.1:3\n${ONE}`, {
      env,
      flags: { listen: '127.0.0.1:2', storage: undefined },
    })
    expect(config).toMatchObject({ listen: '127.0.0.1:2', storage: 'memory:', graceMs: 5 })
    expect(config.tokens).toEqual(['a-token-of-16-chars', 'b-token-of-16-chars'])
  })
})

describe('a fault is told with its line and field', () => {
  it.each([
    [
      'a typing error',
      `lisen: 127.0.0.1:1\n${ONE}`,
      'forebay.yaml:1: lisen: there is no such field. Did you mean "listen"?',
    ],
    [
      'one in a queue',
      `${ONE}    concurency: 3\n`,
      'forebay.yaml:5: queues.orders.concurency: there is no such field. Did you mean "concurrency"?',
    ],
    [
      'one in a target',
      'queues:\n  a:\n    rate: 1\n    target:\n      url: http://example.com\n      metod: PUT\n',
      'forebay.yaml:6: queues.a.target.metod: there is no such field. Did you mean "method"?',
    ],
    [
      'one in the limits',
      `limits:\n  boddyBytes: 5\n${ONE}`,
      'forebay.yaml:2: limits.boddyBytes: there is no such field. Did you mean "bodyBytes"?',
    ],
    ['a field like no other', `xyzzy: 1\n${ONE}`, 'forebay.yaml:1: xyzzy: there is no such field. Known are listen, '],
    ['a missing target', 'queues:\n  orders:\n    rate: 5\n', 'forebay.yaml:2: queues.orders.target: is missing.'],
    [
      'a missing rate',
      'queues:\n  orders:\n    target: http://example.com\n',
      'forebay.yaml:2: queues.orders.rate: is missing.',
    ],
    ['no queues', 'listen: 127.0.0.1:1\n', 'forebay.yaml: queues: is missing.'],
    ['an empty list of queues', 'queues: {}\n', 'forebay.yaml:1: queues: at least one queue is needed.'],
    ['an empty file', '', 'forebay.yaml: queues: is missing.'],
    ['a rate of 0', ONE.replace('50', '0'), 'forebay.yaml:4: queues.orders.rate.perSecond: expected number to be >0.'],
    [
      'a rate in words',
      ONE.replace('50', 'fast'),
      'forebay.yaml:4: queues.orders.rate.perSecond: expected number, received string.',
    ],
    [
      'a rate in two units',
      ONE.replace('50', '{ perSecond: 5, perHour: 6 }'),
      'forebay.yaml:4: queues.orders.rate: names perSecond and perHour; it is one of them',
    ],
    ['a rate in none', ONE.replace('50', '{ rampMs: 5 }'), 'forebay.yaml:4: queues.orders.rate: names no rate'],
    [
      'too high a rate',
      ONE.replace('50', '{ perMinute: 3000001 }'),
      'forebay.yaml:4: queues.orders.rate.perMinute: is at most 3000000.',
    ],
    [
      'a further limit without a rate',
      ONE.replace('50', '\n      perSecond: 5\n      also:\n        - burst: 3'),
      'forebay.yaml:7: queues.orders.rate.also.0: names no rate',
    ],
    [
      'a policy that is none',
      `${ONE}    overflow: drop\n`,
      'forebay.yaml:5: queues.orders.overflow.policy: expected one of "reject"|"drop-oldest"',
    ],
    [
      'a policy with a field of another',
      `${ONE}    overflow: { policy: wait, deadlineMs: 5, to: "memory:" }\n`,
      'forebay.yaml:5: queues.orders.overflow.to: belongs to the policy "spill".',
    ],
    [
      'a policy without its field',
      `${ONE}    overflow: { policy: spill }\n`,
      'forebay.yaml:5: queues.orders.overflow.to: is missing.',
    ],
    [
      'a weight of nothing',
      `${ONE}    fair:\n      weights:\n        acme: 0\n`,
      'forebay.yaml:7: queues.orders.fair.weights.acme: expected number to be >0.',
    ],
    [
      'a typing error in it',
      `${ONE}    overflow:\n      policy: wait\n      deadlinMs: 5\n`,
      'forebay.yaml:7: queues.orders.overflow.deadlinMs: there is no such field. Did you mean "deadlineMs"?',
    ],
    [
      'a target that is no URL',
      ONE.replace('http://example.com/orders', 'example'),
      'forebay.yaml:3: queues.orders.target.url: is no URL',
    ],
    [
      'a target with a password',
      ONE.replace('example', 'u:p@example'),
      'forebay.yaml:3: queues.orders.target.url: a URL with a password',
    ],
    ['another scheme', ONE.replace('http:', 'ftp:'), 'forebay.yaml:3: queues.orders.target.url: ftp: is no scheme'],
    [
      'a private target',
      ONE.replace('example.com', '10.0.0.1'),
      'forebay.yaml:3: queues.orders.target.url: the target 10.0.0.1 is not public (private); if it is meant to be called, add 10.0.0.1 to allowPrivateTargets.',
    ],
    [
      'a queue name with a dot',
      ONE.replace('orders:', 'orders.callbacks:'),
      'forebay.yaml:2: queues.orders.callbacks: a queue name has',
    ],
    [
      'a header with a line break',
      'queues:\n  a:\n    rate: 1\n    target:\n      url: http://example.com\n      headers:\n        X-A: "b\\r\\nc"\n',
      'forebay.yaml:7: queues.a.target.headers.X-A: a header value has no line breaks',
    ],
    [
      'a pattern in words',
      `${ONE}    schedule:\n      - { cron: at night, rate: 5 }\n`,
      'forebay.yaml:6: queues.orders.schedule.0.cron: "at night" is no cron pattern: ',
    ],
    [
      'a time zone that is not there',
      `${ONE}    recurring:\n      nightly:\n        cron: "@daily"\n        timeZone: Berlin\n        payload: 1\n`,
      'forebay.yaml:8: queues.orders.recurring.nightly.timeZone: "Berlin" is no time zone',
    ],
    [
      'an entry of a schedule without limits',
      `${ONE}    schedule:\n      - cron: "@daily"\n`,
      'forebay.yaml:6: queues.orders.schedule.0: names a rate, a concurrency or both.',
    ],
    [
      'one in a schedule',
      `${ONE}    schedule:\n      - cron: "@daily"\n        rte: 5\n`,
      'forebay.yaml:7: queues.orders.schedule.0.rte: there is no such field. Did you mean "rate"?',
    ],
    [
      'one in the rate of a schedule',
      `${ONE}    schedule:\n      - cron: "@daily"\n        rate:\n          perSecnd: 5\n`,
      'forebay.yaml:8: queues.orders.schedule.0.rate.perSecnd: there is no such field. Did you mean "perSecond"?',
    ],
    [
      'one in a recurrence',
      `${ONE}    recurring:\n      rate:\n        cron: "@daily"\n        payload: 1\n        prority: 5\n`,
      'forebay.yaml:9: queues.orders.recurring.rate.prority: there is no such field. Did you mean "priority"?',
    ],
    [
      'a recurrence without a payload',
      `${ONE}    recurring:\n      nightly:\n        cron: "@daily"\n`,
      'forebay.yaml:6: queues.orders.recurring.nightly.payload: is missing.',
    ],
    [
      'a payload that JSON cannot hold',
      `${ONE}    recurring:\n      nightly:\n        cron: "@daily"\n        payload: { share: .nan }\n`,
      'forebay.yaml:8: queues.orders.recurring.nightly.payload: is no JSON value.',
    ],
    [
      'a recurrence with a blank in its name',
      `${ONE}    recurring:\n      at night: { cron: "@daily", payload: 1 }\n`,
      'forebay.yaml:6: queues.orders.recurring.at night: a name has',
    ],
    ['a short token', `tokens: [short]\n${ONE}`, 'forebay.yaml:1: tokens.0: a token has 16 to 512'],
    [
      'a range that is none',
      `allowPrivateTargets:\n  - 10.0.0.0/8\n  - 10.0.0\n${ONE}`,
      'forebay.yaml:3: allowPrivateTargets.1: is no address range',
    ],
    [
      'an address to listen at that is none',
      `listen: 127.0.0.1:99999\n${ONE}`,
      'forebay.yaml:1: listen: "127.0.0.1:99999" is no address',
    ],
    [
      'listening to others without tokens',
      `listen: 0.0.0.0:80\n${ONE}`,
      'forebay.yaml:1: listen: listening at 0.0.0.0 lets other machines in, which needs tokens',
    ],
    ['YAML that is none', 'queues:\n  - [1,\n', 'forebay.yaml:'],
    ['a field that is there twice', `${ONE}    rate: 6\n`, 'forebay.yaml:5: Map keys must be unique.'],
    ['a list', '- a\n', 'forebay.yaml:1: the configuration is a mapping of fields'],
  ])('%s', async (_what, text, message) => {
    expect(await faultOf(text)).toContain(message)
  })

  it.each([
    [
      'no scheme',
      `storage: jobs.db\n${ONE}`,
      'forebay.yaml:1: storage: The backend URL has no scheme. Known are memory:, ',
    ],
    [
      'an unknown one',
      `coordinator: "rediss//x:"\n${ONE}`,
      'forebay.yaml:1: coordinator: The backend URL has no scheme.',
    ],
    [
      'no file',
      `storage: "sqlite:"\n${ONE}`,
      'forebay.yaml:1: storage: "sqlite:" names no file; write sqlite:orders.db.',
    ],
    ['no host', `coordinator: "redis:"\n${ONE}`, 'forebay.yaml:1: coordinator: A Redis URL names a host;'],
    [
      'an unknown parameter',
      `${ONE}    overflow: { policy: spill, to: "sqlite:a.db?durabilty=full" }\n`,
      'forebay.yaml:5: queues.orders.overflow.to: "sqlite:a.db?durabilty=full" has the parameter "durabilty"; known is',
    ],
  ])('as a backend URL with %s', async (_what, text, message) => {
    expect(await faultOf(text)).toContain(message)
  })

  it('or with the variable or flag that it came by', async () => {
    expect(await faultOf(ONE, { env: { FOREBAY_STORAGE: 'memroy:' } })).toContain(
      'FOREBAY_STORAGE: storage: The backend',
    )
    expect(await faultOf(ONE, { flags: { storage: 'sqlite:' } })).toContain(
      '--storage: storage: "sqlite:" names no file',
    )
    expect(await faultOf(ONE, { env: { FOREBAY_GRACE_MS: 'soon' } })).toContain('FOREBAY_GRACE_MS: graceMs: ')
    expect(await faultOf(ONE, { flags: { listen: 'nowhere' } })).toContain('--listen: listen: "nowhere" is no address')
  })

  it('all of them at once, in the order of their lines, up to five', async () => {
    const told = (await faultOf(`a: 1\n${ONE}    b: 1\n    c: 1\n    d: 1\n    e: 1\n    f: 1\n`)).split('\n')
    expect(told.map((line) => /^\S+:(\d+): /.exec(line)?.[1])).toEqual(['1', '6', '7', '8', '9', undefined])
    expect(told.at(-1)).toBe('... and 1 more.')
  })

  it('a file that is not there says how to get one', async () => {
    const path = '/nowhere/forebay.yaml'
    await expect(loadConfig({ path })).rejects.toThrow(`${path}: there is no such file; "forebay init" writes one.`)
  })
})

it.each(['0.0.0.0:80', '[::]:80', '192.168.1.1:80', 'example.com:80'])(
  '%s is listened at with tokens',
  async (listen) => {
    expect(await load(`listen: "${listen}"\ntokens: [a-token-of-16-chars]\n${ONE}`)).toMatchObject({ listen })
  },
)

describe('what forebay init writes', () => {
  it('is accepted', async () => {
    expect(await load(EXAMPLE_CONFIG)).toMatchObject({ queues: { orders: { rate: { perSecond: 50 } } } })
  })

  it('is accepted with every comment that shows a default taken in, and changes nothing by that but what has no default', async () => {
    const uncommented = EXAMPLE_CONFIG.replace(
      /^( *)# ( *)((?:-|[a-zA-Z]+:)(?: .*)?)$/gm,
      (line, indent, inner, field) => (/^(Short|Variables)/.test(field) ? line : `${indent}${inner}${field}`),
    )
    const plain = await load(EXAMPLE_CONFIG)
    const full = await load(uncommented)
    expect(full.limits).toEqual(plain.limits)
    const { maxBytes, fair, perKey, scaling, target, ...rest } = full.queues.orders as (typeof full.queues)[string]
    const { target: plainTarget, ...plainRest } = plain.queues.orders as (typeof plain.queues)[string]
    expect([rest, { ...target, headers: {} }]).toEqual([plainRest, plainTarget])
    expect([maxBytes, fair, perKey]).toEqual([1_073_741_824, true, { concurrency: 2, rate: { perSecond: 1 } }])
    expect(scaling?.max).toBe(50)
    expect(full.tokens).toHaveLength(1)
    const { coordinator, kedaListen, ...gateway } = full
    expect([coordinator, kedaListen]).toEqual(['redis://127.0.0.1', '0.0.0.0:6000'])
    expect({ ...gateway, tokens: [], queues: {} }).toEqual({ ...plain, queues: {} })
  })
})
