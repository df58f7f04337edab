/**
 * Brings the programs that the tests need and npm cannot bring. On Debian as root it installs what is missing; anywhere
 * else it says which tests will be skipped for want of what. Never fails: a missing program skips tests, aloud.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

interface Program {
  readonly path: string
  readonly debianPackage: string
  /** What is not tested without it. */
  readonly tests: string
}

const PROGRAMS: readonly Program[] = [
  { path: '/usr/bin/chromium', debianPackage: 'chromium', tests: 'the live page in a browser' },
  { path: '/usr/bin/redis-server', debianPackage: 'redis-server', tests: 'the redis backend' },
  { path: '/usr/lib/postgresql', debianPackage: 'postgresql', tests: 'the postgres backend' },
  { path: '/usr/lib/rabbitmq', debianPackage: 'rabbitmq-server', tests: 'the rabbitmq backend' },
  { path: '/usr/sbin/nats-server', debianPackage: 'nats-server', tests: 'the nats backend' },
  { path: '/usr/bin/strace', debianPackage: 'strace', tests: 'that an fsync comes before the answer' },
]

const missing = () => PROGRAMS.filter(({ path }) => !existsSync(path))

function isDebianAsRoot(): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/etc/os-release')) return false
  return /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'))
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return (
    spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], { env, stdio: ['ignore', 'ignore', 2] }).status ===
    0
  )
}

if (missing().length > 0 && isDebianAsRoot()) {
  const packages = missing().map(({ debianPackage }) => debianPackage)
  console.error(`installing ${packages.join(', ')}`)
  const installed = aptGet('update') && aptGet('install', '-y', '--no-install-recommends', ...packages)
  if (!installed) console.error('apt-get did not succeed')
}
for (const { path, debianPackage, tests } of missing()) {
  console.error(`SKIPPED: ${tests}, because ${path} is not there (Debian: apt-get install ${debianPackage})`)
}
