/**
 * How full the queue is.
 *
 * KEYS[1] the queue
 * ARGV[1] the priority of a newcomer; '' if none is asked about
 * Returns `[1 if more has fallen due than this call made ready, ready, delayed, inFlight, dead, microseconds since the oldest
 *         ready one was due, bytes, accepted, completed, expired, dropped, how many go before the newcomer or -1]`.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const DEPTH_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local all = promote()
if #ranks > 0 then
  flush()
  save()
end
local fields = redis.call('HMGET', base, 'held', 'blocked', 'bytes', 'accepted', 'completed', 'expired', 'dropped')
for i = 1, 7 do fields[i] = tonumber(fields[i] or 0) end
local held, blocked = fields[1], fields[2]
local oldest = redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')
local ahead = -1
if ARGV[1] ~= '' then ahead = redis.call('ZCOUNT', READY, '-inf', now - ARGV[1] * STEP) end
return {
  all and 0 or 1,
  redis.call('ZCARD', SINCE),
  redis.call('ZCARD', WAITING) - held + blocked,
  held,
  redis.call('ZCARD', DEAD),
  oldest[2] and now - oldest[2] or 0,
  fields[3], fields[4], fields[5], fields[6], fields[7],
  ahead,
}
`
