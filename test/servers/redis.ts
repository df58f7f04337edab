/** A Redis server of our own: a private port of this machine, a folder of the caller's, and nothing written to disk unless asked for. */

import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { freePort } from './free-ports.ts'
import { OwnProcess } from './own-process.ts'

const PROGRAM = '/usr/bin/redis-server'

/** Whether there is a server program (scripts/setup.ts installs it where it may); where there is none `what` is skipped, aloud. */
export function haveRedis(what: string): boolean {
  if (existsSync(PROGRAM)) return true
  console.error(`SKIPPED: ${what}, because ${PROGRAM} is not there (Debian: apt-get install redis-server)`)
  return false
}

export class RedisServer extends OwnProcess {
  /** @param settings As on the command line, for example `['--appendonly', 'yes']`. */
  static async start(folder: string, settings: readonly string[] = []): Promise<RedisServer> {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const server = new RedisServer(port, PROGRAM, [...args, '--appendonly', 'no', ...settings], answers)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }
}

/** Whether it is there and has loaded its data; it may ask for a password. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString()))).once('error', () => end(false))
  })
}
