/**
 * What is known of each id. Only reads.
 *
 * KEYS[1] the queue
 * ARGV    the ids
 * Returns for each: `[]` nothing, `[place, attempts, created, failures as JSON or '', body, reason, died]` a task, whose place
 *         is 0 ready, 1 delayed, 2 in flight, 3 dead (and only then has it a reason), or `[4, completed at, result]`.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const FIND_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local results = {}
look_up(ARGV)
local bodies = redis.call('HMGET', BODIES, unpack(ARGV))

local function place_of(state)
  if state[PLACE] == GONE_BAD then return 3 end
  if state[PLACE] == BLOCKED then return 1 end
  if state[DUE] <= now then return 0 end
  return state[PLACE] == HELD and 2 or 1
end

for i, id in ipairs(ARGV) do
  local state = states[id]
  local content = not state and redis.call('GET', base .. ':result:' .. id)
  if state then
    local failures = state[FAILURES] and '[' .. table.concat(state[FAILURES], ',') .. ']' or ''
    results[i] = { place_of(state), state[ATTEMPTS], state[CREATED], failures, bodies[i], state[REASON], state[DIED] }
  elseif content and tonumber(string.match(content, '^%d+')) > now then
    local at, result = string.match(content, '^%d+ (%d+) (.*)$')
    results[i] = { 4, tonumber(at), result }
  else
    results[i] = {}
  end
end
return results
`
