/** A Redis server of our own: a private port, a temporary folder, nothing written to disk. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'

const PROGRAM = '/usr/bin/redis-server'

export interface Redis {
  readonly port: number
  stop(): Promise<void>
}

/** Starts it; undefined, said aloud, where there is none and none can be installed. */
export async function startRedis(folder: string): Promise<Redis | undefined> {
  if (!existsSync(PROGRAM)) install()
  if (!existsSync(PROGRAM)) {
    console.error(`SKIPPED: BullMQ, because ${PROGRAM} is not there (Debian: apt-get install redis-server)`)
    return undefined
  }
  const port = await freePort()
  const options = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
  const server = spawn(PROGRAM, ['--port', String(port), ...options], { stdio: 'ignore' })
  while (!(await answers(port))) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}.`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { port, stop: () => stop(server) }
}

function install(): void {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return
  console.error('installing redis-server')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (connected: boolean) => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}

function stop(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    server.once('exit', () => resolve())
    server.kill()
  })
}
