import { expect, it } from 'vitest'
import { ForebayError } from '../errors.ts'
import { loadConfig } from './config.ts'

const ONE = 'queues:\n  orders:\n    target: http://example.com/orders\n    rate: 50\n'

async function faultOf(text: string): Promise<string> {
  const fault = await loadConfig({ path: 'forebay.yaml', text }).catch((thrown: unknown) => thrown)
  expect(fault).toBeInstanceOf(ForebayError)
  expect(fault).toMatchObject({ code: 'INVALID_CONFIG' })
  return (fault as ForebayError).message
}

it.each([
  ['a scheme without quotes', `storage: memory:\n${ONE}`, 'forebay.yaml:1: storage', 'it in quotes: "memory:".'],
  [
    'one with a comment behind it',
    `storage: memory: # for now\n${ONE}`,
    'forebay.yaml:1: storage',
    'it in quotes: "memory:".',
  ],
  ['one in a line of its own', `storage:\n  memory:\n${ONE}`, 'forebay.yaml:2: storage', 'it in quotes: "memory:".'],
  ['one in braces', `storage: {memory}\n${ONE}`, 'forebay.yaml:1: storage', 'it in quotes: "memory:".'],
  ['one that needs a file', `storage: sqlite:\n${ONE}`, 'forebay.yaml:1: storage', 'sqlite:forebay.db.'],
  ['a blank behind the scheme', `storage: sqlite: jobs.db\n${ONE}`, 'forebay.yaml:1: storage', 'sqlite:jobs.db.'],
  [
    'a blank within a target',
    ONE.replace('http:', 'http: '),
    'forebay.yaml:3: queues.orders.target',
    'http://example.com/orders.',
  ],
  [
    'a header with a colon',
    'queues:\n  a:\n    rate: 1\n    target:\n      url: http://example.com\n      headers:\n        X-A: Note: two words\n',
    'forebay.yaml:7: queues.a.target.headers.X-A',
    'it in quotes: "Note: two words".',
  ],
  [
    'a spill',
    `${ONE}    overflow:\n      policy: spill\n      to: memory:\n`,
    'forebay.yaml:7: queues.orders.overflow.to',
    'it in quotes: "memory:".',
  ],
  [
    'a spill in braces',
    `${ONE}    overflow: { policy: spill, to: memory: }\n`,
    'forebay.yaml:5: queues.orders.overflow.to',
    'it in quotes: "memory:".',
  ],
])('a colon that YAML takes for a mapping: %s', async (_what, text, place, instead) => {
  const told = `${place}: YAML takes a value with such a colon for a mapping; write ${instead}`
  expect(await faultOf(text)).toBe(told)
})

it.each([
  [
    'a cron pattern',
    `${ONE}    recurring:\n      nightly:\n        cron: */5 * * * *\n        payload: 1\n`,
    'forebay.yaml:7: queues.orders.recurring.nightly.cron: in YAML a value that begins with * is something else; write it in quotes: "*/5 * * * *".',
  ],
  [
    'a nickname of one',
    `${ONE}    schedule:\n      - cron: @daily\n        rate: 5\n`,
    'forebay.yaml:6: queues.orders.schedule.0.cron: in YAML a value that begins with @ is something else; write it in quotes: "@daily".',
  ],
  [
    'an address of IPv6',
    `listen: [::]:80\n${ONE}`,
    'forebay.yaml:1: listen: in YAML a value that begins with [ is something else; write it in quotes: "[::]:80".',
  ],
])('a first character that means something in YAML: %s', async (_what, text, told) => {
  expect(await faultOf(text)).toBe(told)
})

it.each([
  [
    'a token of digits',
    `tokens: [12345678901234567890]\n${ONE}`,
    'tokens.0: YAML takes 12345678901234567890 for a number',
  ],
  ['a port alone', `listen: 8080\n${ONE}`, 'listen: YAML takes 8080 for a number; write it in quotes: "8080".'],
  ['a truth', `coordinator: true\n${ONE}`, 'coordinator: YAML takes true for a boolean; write it in quotes: "true".'],
])('a number or the like where text is wanted: %s', async (_what, text, told) => {
  expect(await faultOf(text)).toContain(`forebay.yaml:1: ${told}`)
})

it('what is in quotes is taken as it is', async () => {
  const { storage, queues } = await loadConfig({
    path: 'forebay.yaml',
    text: `storage: "memory:"\n${ONE}    overflow: { policy: spill, to: 'memory:' }\n`,
  })
  expect([storage, queues.orders?.overflow.to]).toEqual(['memory:', 'memory:'])
})

it('of another fault in a line YAML’s own words are told', async () => {
  expect(await faultOf(`storage: "memory:\n${ONE}`)).not.toContain('quotes:')
})
