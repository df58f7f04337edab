/**
 * Grants ready tasks to those who ask, in their order.
 *
 * KEYS[1] the queue
 * ARGV[1] what makes this call's tokens differ from all others', also after the server lost its last second: see TOKEN below
 * ARGV[2] for how long, in microseconds, whoever gets nothing waits before it asks again; 0: nobody waits
 * ARGV[3, 4], ARGV[5, 6]...  for each who asks: how many at most, and the lease in microseconds
 * Returns `[number of the first grant, microseconds until the next task falls due or -1, how many each got...]`, followed by
 *         `id, attempts, microseconds waited, 1 if expired, created, failures as JSON or '', body` for each grant.
 *
 * TOKEN is `number/ARGV[1]`: the number grows with each grant. A server that restarts without its last second, or a replica that
 * lacked it, may give out a number again, but never with the same ARGV[1].
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const CLAIM_SCRIPT = `${QUEUE_PART}${TASKS_PART}
promote()
flush()

local ids, leases, got = {}, {}, {}
for i = 3, #ARGV, 2 do
  local popped = redis.call('ZPOPMIN', READY, ARGV[i])
  for j = 1, #popped, 2 do
    ids[#ids + 1], leases[#leases + 1] = popped[j], tonumber(ARGV[i + 1])
  end
  got[#got + 1] = #popped / 2
end

local grants, answer = 0, {}
if #ids > 0 then
  redis.call('ZREM', SINCE, unpack(ids))
  look_up(ids)
  grants = redis.call('HINCRBY', base, 'grants', #ids) - #ids + 1
  local bodies = redis.call('HMGET', BODIES, unpack(ids))
  for i, id in ipairs(ids) do
    local state = states[id]
    local waited = now - state[DUE]
    local failures = state[FAILURES]
    state[PLACE], state[DUE] = HELD, now + leases[i]
    state[TOKEN] = string.format('%.0f/', grants + i - 1) .. ARGV[1]
    state[ATTEMPTS] = state[ATTEMPTS] + 1
    wait(id, state)
    change(id, state)
    local at = 7 * i - 6
    answer[at], answer[at + 1], answer[at + 2] = id, state[ATTEMPTS], waited
    answer[at + 3] = state[EXPIRES] > 0 and state[EXPIRES] <= now and 1 or 0
    answer[at + 4] = state[CREATED]
    answer[at + 5] = failures and '[' .. table.concat(failures, ',') .. ']' or ''
    answer[at + 6] = bodies[i]
  end
  count('held', #ids)
  flush()
end

local next_due = -1
local parks = ARGV[2] ~= '0'
if parks or parked > now then
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  if first[2] then
    next_due = first[2] - now
    earliest = tonumber(first[2])
  else
    earliest = math.huge
  end
  if redis.call('ZCARD', READY) > 0 then earliest = 0 end
  -- Whoever else waits must be told of what this call left, and of what it has made due.
  if #ids > 0 then wake() end
  if parks and got[#got] == 0 then
    local until_then = now + ARGV[2]
    if until_then > parked then redis.call('HSET', base, 'parked', until_then) end
  end
end
save()

local head = { grants, next_due }
for i, number in ipairs(got) do head[i + 2] = number end
for i = 1, #answer do head[#got + 2 + i] = answer[i] end
return head
`
