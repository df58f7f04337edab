/**
 * Tasks and their places. A task is two fields of two hashes: its body, which only the client reads, and its state, a
 * MessagePack array that only scripts read. Each id that is ready, waits or is dead stands in a sorted set as well:
 *
 * - `ready` by rank (backends/rank.ts), `since` by the time since which it has been ready: the same ids
 * - `waiting` by due time: delayed ones and those in flight, whose due time is the end of the lease
 * - `dead` by the order of their deaths
 * - `turn:KEY`: the list of the ordered tasks of one key; those behind the first are blocked and stand nowhere else
 *
 * A lease that has ended makes a task ready without a change of its state: DUE has passed, and so its token is good no more.
 */
export const TASKS_PART = `
local PLACE, DUE, TOKEN, ATTEMPTS, RANK, EXPIRES, BYTES, PRIORITY, TTL = 1, 2, 3, 4, 5, 6, 7, 8, 9
local CREATED, COST, KEY, ORDERED, WEIGHT, FAILURES, REASON, DIED = 10, 11, 12, 13, 14, 15, 16, 17
local WAITS, HELD, BLOCKED, GONE_BAD = 0, 1, 2, 3
local STEP = 60000000

-- By id: the state, or false if there is no such task. Changes are written by flush().
local states, changed, gone = {}, {}, {}
local ranks, sinces, dues = {}, {}, {}
local earliest = math.huge

local function look_up(ids)
  if #ids == 0 then return end
  local packed = redis.call('HMGET', STATES, unpack(ids))
  for i, id in ipairs(ids) do
    if states[id] == nil then states[id] = packed[i] and cmsgpack.unpack(packed[i]) end
  end
end

local function state_of(id)
  if states[id] == nil then look_up({ id }) end
  return states[id]
end

local function change(id, state)
  states[id] = state
  changed[#changed + 1] = id
end

local function make_ready(id, state)
  ranks[#ranks + 1], ranks[#ranks + 2] = state[RANK], id
  sinces[#sinces + 1], sinces[#sinces + 2] = state[DUE], id
  earliest = 0
end

local function wait(id, state)
  dues[#dues + 1], dues[#dues + 2] = state[DUE], id
  if state[DUE] < earliest then earliest = state[DUE] end
end

-- Ready at once, or when it is due.
local function place(id, state)
  state[PLACE] = WAITS
  if state[DUE] > now then wait(id, state) else make_ready(id, state) end
end

local function forget(id)
  states[id] = false
  gone[#gone + 1] = id
end

-- Puts an ordered one at the end of its key's line; whether it is blocked there.
local function join(id, state)
  if state[ORDERED] == 0 then return false end
  if redis.call('RPUSH', base .. ':turn:' .. state[KEY], id) == 1 then return false end
  state[PLACE] = BLOCKED
  count('blocked', 1)
  return true
end

-- Takes it out of its key's line; the next one waits out its own delay, or is ready as of now.
local function leave(id, state)
  if state[ORDERED] == 0 then return end
  local line = base .. ':turn:' .. state[KEY]
  redis.call('LREM', line, 1, id)
  local next_id = redis.call('LINDEX', line, 0)
  local after = next_id and state_of(next_id)
  if not after or after[PLACE] ~= BLOCKED then return end
  count('blocked', -1)
  if after[DUE] < now then after[DUE] = now end
  place(next_id, after)
  change(next_id, after)
end

-- Writes what was changed. What frees memory comes first: a server that is full refuses a script only before its first
-- write, and none of these is refused.
local function flush()
  if #gone > 0 then
    redis.call('HDEL', BODIES, unpack(gone))
    redis.call('HDEL', STATES, unpack(gone))
  end
  local packed = {}
  for _, id in ipairs(changed) do
    if states[id] then packed[#packed + 1], packed[#packed + 2] = id, cmsgpack.pack(states[id]) end
  end
  if #packed > 0 then redis.call('HSET', STATES, unpack(packed)) end
  if #dues > 0 then redis.call('ZADD', WAITING, unpack(dues)) end
  if #ranks > 0 then
    redis.call('ZADD', READY, unpack(ranks))
    redis.call('ZADD', SINCE, unpack(sinces))
  end
  changed, gone, ranks, sinces, dues = {}, {}, {}, {}, {}
end

-- What has fallen due is ready: delays that are over and leases that have ended; answers whether all of it is.
local PROMOTED_AT_ONCE = 1000
local function promote()
  local due = redis.call('ZRANGEBYSCORE', WAITING, '-inf', now, 'LIMIT', 0, PROMOTED_AT_ONCE)
  if #due == 0 then return true end
  redis.call('ZREM', WAITING, unpack(due))
  look_up(due)
  for _, id in ipairs(due) do
    local state = states[id]
    if state then
      if state[PLACE] == HELD then count('held', -1) end
      make_ready(id, state)
    end
  end
  return #due < PROMOTED_AT_ONCE
end

-- One process that waits is told, if there is something for it before it asks again anyway.
local function wake()
  if parked > now and earliest < parked then
    redis.call('XADD', base .. ':wake', 'MAXLEN', 1, '*', 'w', '')
  end
end
`
