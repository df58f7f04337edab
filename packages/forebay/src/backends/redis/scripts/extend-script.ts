/**
 * Prolongs leases whose tokens are still good.
 *
 * KEYS[1] the queue
 * ARGV[1] the lease from now on, in microseconds
 * ARGV[2] JSON, a list of `[id, token]`
 * Returns for each 1 if it is extended, 0 if its token is stale.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const EXTEND_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local claims = cjson.decode(ARGV[2])
local ids, extended, results = {}, {}, {}
for i, claim in ipairs(claims) do ids[i] = claim[1] end
look_up(ids)
for i, claim in ipairs(claims) do
  local id, state = claim[1], states[claim[1]]
  results[i] = 0
  if state and state[PLACE] == HELD and state[TOKEN] == claim[2] and state[DUE] > now then
    state[DUE] = now + ARGV[1]
    wait(id, state)
    change(id, state)
    extended[#extended + 1] = id
    results[i] = 1
  end
end
if #extended > 0 then
  -- Takes no memory, so that a server that is full lets the rest through as well.
  redis.call('ZREM', WAITING, unpack(extended))
  flush()
  wake()
  save()
end
return results
`
