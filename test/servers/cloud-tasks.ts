/**
 * A stand-in for Google Cloud Tasks: the v2 API by gRPC, from the proto files that the official client ships, and the
 * dispatches by HTTP, with the queue's rate, burst, concurrency, backoff and deadlines. In this process, on a port of its own.
 */

import { fileURLToPath } from 'node:url'
import { CloudTasksClient } from '@google-cloud/tasks'
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js'
import { load } from '@grpc/proto-loader'
import { type FakeQueue, type FakeTask, lastOf, QueueSet, Refusal } from './cloud-tasks-queues.ts'
import { TokenMint } from './cloud-tasks-tokens.ts'

const protosOf = (name: string) => fileURLToPath(new URL(`../../node_modules/${name}/build/protos`, import.meta.url))
const LOADING = {
  includeDirs: [protosOf('@google-cloud/tasks'), protosOf('google-gax')],
  longs: Number,
  enums: String,
  defaults: false,
  oneofs: true,
}

export const PARENT = 'projects/shop/locations/europe-west1'
export const SERVICE_ACCOUNT = 'deliverer@shop.iam.gserviceaccount.com'

/** Refuses a request, or lets it pass; `after`: refused when it has been done, as if the answer was lost. */
export type ApiFault = (method: string, request: Request) => ApiRefusal | undefined
export interface ApiRefusal {
  readonly code: number
  readonly after?: boolean
  /** Asks for a pause of so many seconds. */
  readonly retryS?: number
}

interface Request {
  readonly name?: string
  readonly parent?: string
  readonly queue?: { readonly name: string } & Partial<FakeQueue['settings']>
  readonly updateMask?: { readonly paths: readonly string[] }
  readonly task?: FakeTask['task']
  readonly responseView?: string
  readonly pageSize?: number
  readonly pageToken?: string
}

/** What the proto files define, as far as it is used here. */
interface Loaded {
  readonly google: {
    readonly cloud: { readonly tasks: { readonly v2: { readonly CloudTasks: ServiceClientConstructor } } }
  }
}

export class CloudTasksServer {
  readonly #server = new Server()
  readonly mint = new TokenMint()
  readonly queues = new QueueSet(this.mint)
  /** All that was asked of the API, in the order of its coming. */
  readonly asked: { readonly method: string; readonly request: Request }[] = []
  fault: ApiFault = () => undefined
  port = 0

  static async start(): Promise<CloudTasksServer> {
    const stand = new CloudTasksServer()
    const definition = loadPackageDefinition(await load('google/cloud/tasks/v2/cloudtasks.proto', LOADING))
    const { google } = definition as unknown as Loaded
    const { service } = google.cloud.tasks.v2.CloudTasks
    const methods = Object.entries(stand.#methods()).map(([name, act]) => [name, stand.#serve(name, act)])
    stand.#server.addService(service, Object.fromEntries(methods))
    stand.port = await new Promise((resolve, reject) => {
      stand.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      )
    })
    return stand
  }

  count(method: string): number {
    return this.asked.filter((one) => one.method === method).length
  }

  async stop(): Promise<void> {
    this.queues.stop()
    this.#server.forceShutdown()
  }

  #methods(): Record<string, (request: Request) => unknown> {
    const { queues } = this
    const queueOf = ({ name = '', parent = name }: Request) => queues.get(parent.replace(/\/tasks\/.*$/, ''))
    const full = ({ responseView }: Request) => responseView === 'FULL'
    return {
      createQueue: ({ queue }) => queues.make(queue?.name ?? '', queue ?? {}).shown,
      getQueue: (request) => queueOf(request).shown,
      updateQueue: ({ queue, updateMask }) => {
        const found = queues.get(queue?.name ?? '')
        found.change(queue ?? {}, updateMask?.paths ?? [])
        return found.shown
      },
      pauseQueue: (request) => queueOf(request).pause(true).shown,
      resumeQueue: (request) => queueOf(request).pause(false).shown,
      purgeQueue: (request) => queueOf(request).purge().shown,
      createTask: (request) =>
        queueOf(request)
          .create(request.task ?? {})
          .shown(full(request)),
      getTask: (request) => queueOf(request).task(lastOf(request.name)).shown(full(request)),
      deleteTask: (request) => {
        queueOf(request).delete(lastOf(request.name))
        return {}
      },
      listTasks: (request) => {
        const tasks = [...queueOf(request).tasks.values()]
        const from = Number(request.pageToken || 0)
        const to = from + Math.min(1_000, request.pageSize || 1_000)
        const page = tasks.slice(from, to).map((task) => task.shown(full(request)))
        return { tasks: page, nextPageToken: to < tasks.length ? String(to) : '' }
      },
    }
  }

  #serve(method: string, act: (request: Request) => unknown) {
    return ({ request }: ServerUnaryCall<Request, unknown>, answer: sendUnaryData<unknown>): void => {
      this.asked.push({ method, request })
      const refusal = this.fault(method, request)
      try {
        if (refusal && !refusal.after) throw new Refusal(refusal.code, 'the test says so')
        const result = act(request)
        if (refusal) throw new Refusal(refusal.code, 'the test says so, though it was done')
        answer(null, result)
      } catch (thrown) {
        const { code = 13, message = String(thrown) } = thrown as Partial<Refusal>
        const metadata = new Metadata()
        if (refusal?.retryS) metadata.set('grpc-status-details-bin', retryInfo(code, refusal.retryS))
        answer({ code, details: message, metadata })
      }
    }
  }
}

/** `google.rpc.Status` with a `google.rpc.RetryInfo`, as they are on the wire. */
function retryInfo(code: number, seconds: number): Buffer {
  const field = (tag: number, bytes: Uint8Array) => Buffer.from([tag, bytes.length, ...bytes])
  const delay = field(0x0a, Buffer.from([0x08, seconds]))
  const type = Buffer.from('type.googleapis.com/google.rpc.RetryInfo')
  const any = Buffer.concat([field(0x0a, type), field(0x12, delay)])
  return Buffer.concat([Buffer.from([0x08, code]), field(0x1a, any)])
}

/** The official client, at a port of this machine. */
export function clientAt(port: number): CloudTasksClient {
  // Else the library looks for a machine of Google's round it.
  process.env.METADATA_SERVER_DETECTION ??= 'none'
  return new CloudTasksClient({
    apiEndpoint: '127.0.0.1',
    port,
    sslCreds: credentials.createInsecure(),
    projectId: 'shop',
  })
}
