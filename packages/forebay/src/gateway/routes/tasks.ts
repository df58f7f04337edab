/** `GET /v1/tasks/:id`: what became of a task, and its result as long as that is kept. */

import { ForebayError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import type { GatewayQueue } from '../gateway-queue.ts'
import { ref } from '../schemas.ts'
import { taskView } from '../task-view.ts'

const findTask: Endpoint = {
  methods: ['GET'],
  path: '/v1/tasks/:id',
  summary: 'The state of a task, and its result once it is completed.',
  parameters: [
    {
      in: 'query',
      name: 'queue',
      description: 'Where to look. Default: in all queues; an id is unique in its queue only.',
      schema: { type: 'string' },
    },
  ],
  answers: { 200: { description: 'The task.', schema: ref('Task') } },
  async handle(gateway, request) {
    const { id } = request.params as { id: string }
    const { queue: named } = request.query as { queue?: unknown }
    const searched = [...gateway.queues.values()].filter(({ name }) => named === undefined || name === named)
    if (searched.length === 0)
      throw new ForebayError('UNKNOWN_QUEUE', 'There is no queue of that name.', { path: 'queue' })
    const found = await firstFound(searched, id)
    if (found) return found
    throw new ForebayError('UNKNOWN_TASK', 'No task with this id is queued, dead or remembered.')
  },
}

async function firstFound(queues: readonly GatewayQueue[], id: string): Promise<object | undefined> {
  for (const { name, queue } of queues) {
    const found = await queue.find(id)
    if (found) return taskView(name, found)
  }
  return undefined
}

export const tasks: readonly Endpoint[] = [findTask]
