/**
 * Ends claims whose tokens are still good.
 *
 * KEYS[1] the queue
 * ARGV[1] JSON, a list of settlements:
 *         `[id, token, 'complete']`, or `[id, token, 'complete', for how long to keep its result, result]`
 *         `[id, token, 'retry', delay, failure]`    `[id, token, 'release', delay]`: spans in microseconds
 *         `[id, token, 'dead', reason]`, or `[id, token, 'dead', reason, failure]`: failures are JSON themselves
 *         `[id, token, 'expire']`
 * Returns for each 1 if it is settled, 0 if its token is stale.
 */

import { TASK_BOUNDS } from '../../../task.ts'
import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const SETTLE_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local settlements = cjson.decode(ARGV[1])
local ids, settled, results = {}, {}, {}
for i, settlement in ipairs(settlements) do ids[i] = settlement[1] end
look_up(ids)

local function add_failure(state, failure)
  if not failure then return end
  local failures = state[FAILURES] or {}
  failures[#failures + 1] = failure
  if #failures > ${TASK_BOUNDS.failuresKept} then table.remove(failures, 1) end
  state[FAILURES] = failures
end

local function back(id, state, delay)
  state[DUE] = now + delay
  place(id, state)
  change(id, state)
end

local function over(id, state)
  forget(id)
  bytes = bytes - state[BYTES]
  leave_line(state)
  leave_turns(id, state)
end

local outcomes = {
  complete = function(id, state, how)
    over(id, state)
    completed = completed + 1
    if how[4] then
      local ends = now + how[4]
      local content = string.format('%.0f %.0f ', ends, math.floor(wall / 1000)) .. how[5]
      redis.call('SET', base .. ':result:' .. id, content, 'PX', kept(ends))
    end
  end,
  expire = function(id, state)
    over(id, state)
    expired = expired + 1
  end,
  retry = function(id, state, how)
    add_failure(state, how[5])
    back(id, state, how[4])
  end,
  release = function(id, state, how)
    state[ATTEMPTS] = state[ATTEMPTS] - 1
    back(id, state, how[4])
  end,
  dead = function(id, state, how)
    add_failure(state, how[5])
    state[PLACE], state[DUE], state[REASON], state[DIED] = GONE_BAD, stamp(), how[4], math.floor(wall / 1000)
    redis.call('ZADD', DEAD, state[DUE], id)
    change(id, state)
    bytes = bytes - state[BYTES]
    leave_line(state)
    leave_turns(id, state)
  end,
}

-- Whose token is good is told before anything is written.
for i, how in ipairs(settlements) do
  local state = states[how[1]]
  local good = state and state[PLACE] == HELD and state[TOKEN] == how[2] and state[DUE] > now and not settled[how[1]]
  results[i] = good and 1 or 0
  if good then settled[how[1]] = true end
end
local taken = {}
for id in pairs(settled) do taken[#taken + 1] = id end
if #taken > 0 then
  redis.call('ZREM', WAITING, unpack(taken))
  held = held - #taken
  forget_lines()
  for i, how in ipairs(settlements) do
    if results[i] == 1 then
      ended(states[how[1]])
      outcomes[how[3]](how[1], states[how[1]], how)
    end
  end
  flush()
  wake()
  save()
end
return results
`
