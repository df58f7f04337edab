/**
 * How full the queue is.
 *
 * KEYS[1] the queue
 * No arguments
 * Returns `[1 if more has fallen due than this call made ready, ready, delayed, inFlight, dead, microseconds since the oldest
 *         ready one was due, bytes, accepted, completed, expired, dropped]`.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const DEPTH_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local all = promote()
if #ranks > 0 then
  flush()
  save()
end

local first = redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')
local oldest = tonumber(first[2] or now)
local fresh = redis.call('LINDEX', FRESH, 0)
local state = fresh and state_of(fresh)
if state then oldest = math.min(oldest, state[DUE]) end
return {
  all and 0 or 1,
  redis.call('LLEN', FRESH) + ranked,
  redis.call('ZCARD', WAITING) - held + blocked,
  held,
  redis.call('ZCARD', DEAD),
  now - oldest,
  bytes,
  redis.call('HLEN', BODIES) + completed + expired + dropped,
  completed,
  expired,
  dropped,
}
`
