/** Every topic of the conformance suite. */

import type { Topic } from './target.ts'
import { aheadOf } from './topics/ahead.ts'
import { bounds } from './topics/bounds.ts'
import { claim } from './topics/claim.ts'
import { close } from './topics/close.ts'
import { concurrency } from './topics/concurrency.ts'
import { cost } from './topics/cost.ts'
import { deadLetters } from './topics/dead-letters.ts'
import { dedup } from './topics/dedup.ts'
import { depth } from './topics/depth.ts'
import { fairness } from './topics/fairness.ts'
import { find } from './topics/find.ts'
import { keyLimits } from './topics/key-limits.ts'
import { keyOrder } from './topics/key-order.ts'
import { lease } from './topics/lease.ts'
import { model } from './topics/model.ts'
import { order } from './topics/order.ts'
import { overflow } from './topics/overflow.ts'
import { push } from './topics/push.ts'
import { settle } from './topics/settle.ts'

export const TOPICS: readonly Topic[] = [
  push,
  claim,
  settle,
  lease,
  order,
  keyOrder,
  fairness,
  keyLimits,
  cost,
  dedup,
  bounds,
  overflow,
  depth,
  aheadOf,
  deadLetters,
  find,
  close,
  concurrency,
  model,
]
