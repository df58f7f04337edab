import { describe, expect, it } from 'vitest'
import { TargetGuard } from './target-guard.ts'

describe('an address', () => {
  const guard = new TargetGuard()

  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd00::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '4000::1',
    'not an address',
  ])('%s is refused', (address) => {
    expect(guard.refusal(address)).toEqual(expect.any(String))
  })

  it.each([
    '93.184.215.14',
    '172.32.0.1',
    '100.128.0.1',
    '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
    '::ffff:93.184.215.14',
  ])('%s is called', (address) => {
    expect(guard.refusal(address)).toBeUndefined()
  })
})

describe('the allow-list', () => {
  const guard = new TargetGuard({ allowPrivateTargets: ['10.1.0.0/16', 'fd00:1::/32', '192.168.7.7'] })

  it.each(['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::9', '192.168.7.7'])('lets %s through', (address) => {
    expect(guard.refusal(address)).toBeUndefined()
  })

  it.each(['10.2.0.1', 'fd00:2::9', '192.168.7.8', '127.0.0.1'])('lets nothing else through, such as %s', (address) => {
    expect(guard.refusal(address)).toEqual(expect.any(String))
  })

  it('refuses a range that is none', () => {
    expect(() => new TargetGuard({ allowPrivateTargets: ['10.0.0.0/99'] })).toThrow('is no address range')
  })
})

describe('a name', () => {
  const guardOf = (...addresses: readonly string[]) =>
    new TargetGuard({
      resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    })

  it('gives all its addresses if all are public', async () => {
    const addresses = await guardOf('93.184.215.14', '2606:2800:21f::1').addressesOf('example.com')
    expect(addresses.map(({ address }) => address)).toEqual(['93.184.215.14', '2606:2800:21f::1'])
  })

  it('is refused as a whole if one is not', async () => {
    const refused = guardOf('93.184.215.14', '10.0.0.1').addressesOf('example.com')
    await expect(refused).rejects.toMatchObject({
      code: 'TARGET_REFUSED',
      message: 'example.com was not called: its address 10.0.0.1 is not public (private).',
    })
  })

  it('is refused without an address', async () => {
    await expect(guardOf().addressesOf('example.com')).rejects.toMatchObject({ code: 'TARGET_FAILED' })
  })

  it('answers net.connect in both of its forms', async () => {
    const guard = guardOf('93.184.215.14')
    const one = await new Promise((resolve) => guard.lookup('example.com', {}, (...answer) => resolve(answer)))
    expect(one).toEqual([null, '93.184.215.14', 4])
    const all = await new Promise((resolve) =>
      guard.lookup('example.com', { all: true }, (...answer) => resolve(answer)),
    )
    expect(all).toEqual([null, [{ address: '93.184.215.14', family: 4 }]])
  })
})

it.each([
  'ftp://example.com/',
  'http://user@example.com/',
  'http://127.1/',
  'http://[::ffff:7f00:1]/',
  'https://017700000001/',
])('the URL %s is refused without asking the network', (url) => {
  expect(() => new TargetGuard().checkUrl(new URL(url))).toThrow(expect.objectContaining({ code: 'TARGET_REFUSED' }))
})
