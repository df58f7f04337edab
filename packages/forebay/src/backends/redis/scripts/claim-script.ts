/**
 * Grants ready tasks to those who ask, in their order.
 *
 * KEYS[1] the queue
 * ARGV[1] what makes this call's tokens differ from all others', also after the server lost its last second: see TOKEN below
 * ARGV[2] for how long, in microseconds, whoever gets nothing waits before it asks again; 0: nobody waits
 * ARGV[3, 4], ARGV[5, 6]...  for each who asks: how many at most, and the lease in microseconds
 * Returns `[number of the first grant, microseconds until the next task falls due or -1, how many each got...]`, then for each grant
 *         `id, attempts, microseconds waited, 1 if expired, created, failures as JSON or '', body`.
 *
 * TOKEN is `number/ARGV[1]`: the number grows with each grant. A server that restarts without its last second, or a replica that
 * lacked it, may give out a number again, but never with the same ARGV[1].
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const CLAIM_SCRIPT = `${QUEUE_PART}${TASKS_PART}
promote()
flush()

-- Adds the first ready ones, at most so many, to ids: fresh ones, those in READY, or both by rank.
local ids, stated = {}, {}
local function take(most)
  if ranked == 0 then
    local popped = redis.call('LPOP', FRESH, most)
    for _, id in ipairs(popped or {}) do ids[#ids + 1] = id end
    return popped and #popped or 0
  end
  local listed = redis.call('ZRANGE', READY, 0, most - 1, 'WITHSCORES')
  local fresh = redis.call('LRANGE', FRESH, 0, most - 1)
  look_up(fresh)
  local from_ready, from_fresh = {}, 0
  for _ = 1, math.min(most, #listed / 2 + #fresh) do
    local rank = tonumber(listed[2 * #from_ready + 2] or math.huge)
    local id = fresh[from_fresh + 1]
    if id and (not states[id] or states[id][RANK] < rank) then
      from_fresh = from_fresh + 1
    else
      id = listed[2 * #from_ready + 1]
      from_ready[#from_ready + 1], stated[#stated + 1] = id, id
    end
    ids[#ids + 1] = id
  end
  if from_fresh > 0 then redis.call('LPOP', FRESH, from_fresh) end
  if #from_ready > 0 then
    redis.call('ZREM', READY, unpack(from_ready))
    redis.call('ZREM', SINCE, unpack(from_ready))
    ranked = ranked - #from_ready
    if keeps(1) then redis.call('ZREM', OLDEST, unpack(from_ready)) end
    if keeps(2) then
      look_up(from_ready)
      for _, id in ipairs(from_ready) do
        if states[id] then redis.call('ZREM', LOWEST, evictable(id, states[id])) end
      end
    end
  end
  return from_fresh + #from_ready
end

local answer, got = { grants + 1, -1 }, {}

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

for i = 3, #ARGV, 2 do answer[#answer + 1] = 0 end
for i = 3, #ARGV, 2 do
  local first = #ids
  local most = tonumber(ARGV[i])
  local count = most > 0 and take(most) or 0
  for j = first + 1, first + count do got[j] = i end
end
if #ids > 0 then
  local bodies = redis.call('HMGET', BODIES, unpack(ids))
  look_up(stated)
  for i, id in ipairs(ids) do
    -- What somebody else has deleted is passed over.
    if bodies[i] and states[id] ~= false then
      local at = (got[i] + 3) / 2
      answer[at] = answer[at] + 1
      grant(id, bodies[i], tonumber(ARGV[got[i] + 1]))
    end
  end
  flush()
end

local parks = ARGV[2] ~= '0'
if parks or parked > now then
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  soonest = tonumber(first[2] or 0)
  earliest = first[2] and soonest or math.huge
  if first[2] then answer[2] = soonest - now end
  if ranked > 0 or redis.call('LLEN', FRESH) > 0 then earliest = 0 end
  -- Whoever else waits must be told of what this call left, and of what it has made due.
  if #ids > 0 then wake() end
  if parks and #ids == 0 then parked = math.max(parked, now + ARGV[2]) end
end
save()
return answer
`
