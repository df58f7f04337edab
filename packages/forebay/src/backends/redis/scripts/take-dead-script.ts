/**
 * Redrives or drops dead letters. A redriven one is placed as if it had just come: its old place would put it before everything
 * that waits.
 *
 * KEYS[1] the queue
 * ARGV[1] `redrive` or `drop`
 * ARGV[2] how many of the oldest at most; 0: those that are named
 * ARGV[3] of the oldest: none that died later than this; '' for now
 * ARGV[3...] else the ids
 * Returns `[how many were taken, what ARGV[3] was]`, now as a stamp if it was ''.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const TAKE_DEAD_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local ids, taken, found = {}, {}, {}
local until_stamp = ARGV[3] == '' and string.format('%.0f', math.max(now, order)) or ARGV[3]
if ARGV[2] ~= '0' then
  ids = redis.call('ZRANGEBYSCORE', DEAD, '-inf', until_stamp, 'LIMIT', 0, ARGV[2])
else
  for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
end
look_up(ids)

local function redrive(id, state)
  local ttl = state[TTL]
  state[ATTEMPTS], state[DUE] = 0, now
  state[EXPIRES] = ttl > 0 and now + ttl or 0
  state[REASON], state[DIED] = nil, nil
  if state[WEIGHT] > 0 then join_line(state[KEY], state[WEIGHT], state[COST]) end
  if not join_turns(id, state) then place(id, state) end
  change(id, state)
  bytes = bytes + state[BYTES]
end

for _, id in ipairs(ids) do
  local state = states[id]
  if state and state[PLACE] == GONE_BAD and not found[id] then
    found[id] = true
    taken[#taken + 1] = id
  end
end
if #taken > 0 then redis.call('ZREM', DEAD, unpack(taken)) end
-- Of those that come back together those go first that came first, however they died.
local by_age = { unpack(taken) }
table.sort(by_age, function(a, b) return states[a][PUSHED] < states[b][PUSHED] end)
for _, id in ipairs(by_age) do states[id][RANK] = stamp() - states[id][PRIORITY] * STEP end
for _, id in ipairs(taken) do
  if ARGV[1] == 'redrive' then
    redrive(id, states[id])
  else
    forget(id)
    dropped = dropped + 1
  end
end
if #taken > 0 then
  flush()
  wake()
  save()
end
return { #taken, until_stamp }
`
