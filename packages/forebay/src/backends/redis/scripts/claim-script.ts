/**
 * Grants ready tasks to those who ask, in their order.
 *
 * KEYS[1] the queue
 * ARGV[1] what makes this call's tokens differ from all others', also after the server lost its last second: see TOKEN below
 * ARGV[2] for how long, in microseconds, whoever gets nothing waits before it asks again; 0: nobody waits
 * ARGV[3...6], ARGV[7...10]...  for each who asks: how many at most, the lease in microseconds, and the limits of each key: how many
 *         in flight, how many a second; 0 for none
 * Returns `[number of the first grant, microseconds until more can be granted without anybody's doing or -1, how many each
 *         got...]`, then for each grant `id, attempts, microseconds waited, 1 if expired, created, failures as JSON or '', body`.
 *
 * TOKEN is `number/ARGV[1]`: the number grows with each grant. A server that restarts without its last second, or a replica that
 * lacked it, may give out a number again, but never with the same ARGV[1].
 */

import { LIMITS_PART } from './limits-part.ts'
import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'
import { TURNS_PART } from './turns-part.ts'

export const CLAIM_SCRIPT = `${QUEUE_PART}${TASKS_PART}${TURNS_PART}${LIMITS_PART}
promote()
flush()
-- Whoever was told has asked, or what he was told of is being given away.
told = 0

local answer, asked = { grants + 1, -1 }, {}

local function grant(id, body, lease)
  local state = states[id] or state_of_fresh(body)
  grants, held = grants + 1, held + 1
  local at, waited, failures = #answer, now - state[DUE], state[FAILURES]
  state[PLACE], state[DUE], state[ATTEMPTS] = HELD, now + lease, state[ATTEMPTS] + 1
  state[TOKEN] = string.format('%.0f/', grants) .. ARGV[1]
  wait(id, state)
  change(id, state)
  answer[at + 1], answer[at + 2], answer[at + 3] = id, state[ATTEMPTS], waited
  answer[at + 4] = state[EXPIRES] > 0 and state[EXPIRES] <= now and 1 or 0
  answer[at + 5] = state[CREATED]
  answer[at + 6] = failures and '[' .. table.concat(failures, ',') .. ']' or ''
  answer[at + 7] = body
end

for i = 3, #ARGV, 4 do
  local first = #ids
  set_limits(tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))
  forget_lines()
  take(tonumber(ARGV[i]))
  for j = first + 1, #ids do asked[j] = i end
  answer[#answer + 1] = 0
end
if #ids > 0 then
  local bodies = redis.call('HMGET', BODIES, unpack(ids))
  for i, id in ipairs(ids) do
    if bodies[i] then
      local at = (asked[i] + 9) / 4
      answer[at] = answer[at] + 1
      grant(id, bodies[i], tonumber(ARGV[asked[i] + 1]))
    elseif states[id] then
      -- Somebody else has deleted it.
      ended(states[id])
    end
  end
end
flush()

local parks = ARGV[2] ~= '0'
if parks or parked > now then
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  soonest = tonumber(first[2] or 0)
  local opening = lines > 0 and redis.call('ZRANGE', SETS[PENDING], 0, 0, 'WITHSCORES')[2]
  earliest = math.min(tonumber(first[2] or math.huge), tonumber(opening or math.huge))
  if earliest < math.huge then answer[2] = math.max(0, math.ceil(earliest - now)) end
  if open_lines > 0 then earliest = 0 end
  -- Whoever else waits must be told of what this call left, and of what it has made due.
  if #ids > 0 then wake() end
  if parks and #ids == 0 then parked = math.max(parked, now + ARGV[2]) end
end
save()
return answer
`
