/** A stand-in for Azure Queue Storage: Azurite, in a process and on a port of its own, started once for a test file because that takes seconds. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../node_modules/azurite/dist/src/queue/main.js', import.meta.url))

/** The stand-in's own, known to everybody. */
const ACCOUNT = 'devstoreaccount1'
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export interface AzureServer {
  readonly port: number
  stop(): Promise<void>
}

export async function startAzureQueue(): Promise<AzureServer> {
  const settings = ['--queueHost', '127.0.0.1', '--queuePort', '0', '--inMemoryPersistence', '--silent']
  const args = [PROGRAM, ...settings, '--skipApiVersionCheck', '--disableTelemetry']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await portOf(child)
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return { port, stop }
}

export function connectionStringOf(port: number): string {
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`
  return `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};QueueEndpoint=${endpoint};`
}

async function portOf(child: ChildProcess): Promise<number> {
  let said = ''
  for await (const data of child.stdout ?? []) {
    said += String(data)
    const [, port] = /successfully listens on http:\/\/[^:]+:(\d+)/.exec(said) ?? []
    if (port !== undefined) {
      child.stdout?.on('data', () => {})
      return Number(port)
    }
  }
  throw new Error(`Azurite ended and said: ${said}`)
}
