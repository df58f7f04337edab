/**
 * A page of dead letters, the oldest first. Only reads.
 *
 * KEYS[1] the queue
 * ARGV[1] how many at most
 * ARGV[2] the cursor: what the last page returned first; '' for the first page
 * Returns `[cursor of the next page or '', ...]`, followed by `id, attempts, created, failures as JSON or '', body, reason, died`
 *         for each.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const LIST_DEAD_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local limit = tonumber(ARGV[1])
local from = ARGV[2] == '' and '-inf' or '(' .. ARGV[2]
local listed = redis.call('ZRANGEBYSCORE', DEAD, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
local ids, answer = {}, { '' }
for i = 1, math.min(#listed, 2 * limit), 2 do ids[#ids + 1] = listed[i] end
if #ids == 0 then return answer end
if #listed > 2 * limit then answer[1] = listed[2 * limit] end
look_up(ids)
local bodies = redis.call('HMGET', BODIES, unpack(ids))
for i, id in ipairs(ids) do
  local state = states[id]
  if state and bodies[i] then
    local failures = state[FAILURES] and '[' .. table.concat(state[FAILURES], ',') .. ']' or ''
    local fields = { id, state[ATTEMPTS], state[CREATED], failures, bodies[i], state[REASON], state[DIED] }
    for _, field in ipairs(fields) do answer[#answer + 1] = field end
  end
end
return answer
`
