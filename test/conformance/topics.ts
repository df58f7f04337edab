/** Every topic of the conformance suite. */

import type { Topic } from './target.ts'
import { bounds } from './topics/bounds.ts'
import { claim } from './topics/claim.ts'
import { close } from './topics/close.ts'
import { concurrency } from './topics/concurrency.ts'
import { deadLetters } from './topics/dead-letters.ts'
import { dedup } from './topics/dedup.ts'
import { depth } from './topics/depth.ts'
import { find } from './topics/find.ts'
import { keyOrder } from './topics/key-order.ts'
import { lease } from './topics/lease.ts'
import { model } from './topics/model.ts'
import { order } from './topics/order.ts'
import { push } from './topics/push.ts'
import { settle } from './topics/settle.ts'

export const TOPICS: readonly Topic[] = [
  push,
  claim,
  settle,
  lease,
  order,
  keyOrder,
  dedup,
  bounds,
  depth,
  deadLetters,
  find,
  close,
  concurrency,
  model,
]
