/**
 * Tasks and their places.
 *
 * A body is a line for the scripts, then what only the client reads (task-body.ts). Of a task that is fresh (its priority is 0, it
 * was never delayed, granted or blocked, and has no line of its own) the first line says all that scripts need: `time number ttl`,
 * time and number being the parts of its stamp. Such a task stands in the list `fresh` and nowhere else. Of any other task the
 * first line is of no account; it has a state, a MessagePack array, and its id stands in a sorted set, unless it is blocked:
 *
 * - `ready` by rank (backends/rank.ts), `since` by the time since which it has been ready: the same ids
 * - `waiting` by due time: delayed ones and those in flight, whose due time is the end of the lease
 * - `dead` by the order of their deaths
 * - `turn:KEY`: the list of the ordered tasks of one key; those behind the first are blocked
 *
 * A lease that has ended makes a task ready without a change of its state: DUE has passed, and so its token is good no more.
 */
export const TASKS_PART = `
local PLACE, DUE, TOKEN, ATTEMPTS, RANK, EXPIRES, BYTES, PRIORITY, TTL = 1, 2, 3, 4, 5, 6, 7, 8, 9
local CREATED, PUSHED, COST, KEY, ORDERED, WEIGHT, FAILURES, REASON, DIED = 10, 11, 12, 13, 14, 15, 16, 17, 18
local WAITS, HELD, BLOCKED, GONE_BAD = 0, 1, 2, 3
local STEP = 60000000

-- By id: the state, or false if there is no such task. Changes are written by flush().
local states, changed, gone = {}, {}, {}
local ranks, sinces, dues = {}, {}, {}
local earliest = math.huge

local function state_of_fresh(body)
  local time, number, ttl, after = string.match(body, '^(%d+) (%d+) (%d+)()')
  if not time then return false end
  time, ttl = tonumber(time), tonumber(ttl)
  local size = #body - string.find(body, '\\n', after + 1, true)
  local created, pushed = math.floor((time - offset) / 1000), time + number
  return { WAITS, time, '', 0, pushed, ttl > 0 and time + ttl or 0, size, 0, ttl, created, pushed, 1, '', 0, 0 }
end

local function look_up(ids)
  if #ids == 0 then return end
  local packed = redis.call('HMGET', STATES, unpack(ids))
  for i, id in ipairs(ids) do
    if states[id] == nil then
      if packed[i] then
        states[id] = cmsgpack.unpack(packed[i])
      else
        local body = redis.call('HGET', BODIES, id)
        states[id] = body and state_of_fresh(body)
      end
    end
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

-- Whether the order in which tasks give way is kept: 1 by age, 2 by priority.
local function keeps(flag)
  return evicts % (2 * flag) >= flag
end

local function evictable(id, state)
  return string.format('%016.0f', state[PUSHED]) .. id
end

local function add_evictable(flag, id, state)
  if flag == 1 then
    redis.call('ZADD', OLDEST, state[PUSHED], id)
  else
    redis.call('ZADD', LOWEST, -state[PRIORITY], evictable(id, state))
  end
end

local function make_ready(id, state)
  ranks[#ranks + 1], ranks[#ranks + 2] = state[RANK], id
  sinces[#sinces + 1], sinces[#sinces + 2] = state[DUE], id
  ranked = ranked + 1
  earliest = 0
end

-- Takes one out of those that are ready, if it is not fresh.
local function withdraw(id, state)
  local removed = redis.call('ZREM', READY, id)
  redis.call('ZREM', SINCE, id)
  ranked = ranked - removed
  if keeps(1) then redis.call('ZREM', OLDEST, id) end
  if keeps(2) then redis.call('ZREM', LOWEST, evictable(id, state)) end
end

local function wait(id, state)
  local due = state[DUE]
  dues[#dues + 1], dues[#dues + 2] = due, id
  if due < earliest then earliest = due end
  if due < soonest or soonest == 0 then soonest = due end
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
  blocked = blocked + 1
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
  blocked = blocked - 1
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
    gone = {}
  end
  if #changed > 0 then
    local packed = {}
    for _, id in ipairs(changed) do
      if states[id] then packed[#packed + 1], packed[#packed + 2] = id, cmsgpack.pack(states[id]) end
    end
    if #packed > 0 then redis.call('HSET', STATES, unpack(packed)) end
    changed = {}
  end
  if #dues > 0 then
    redis.call('ZADD', WAITING, unpack(dues))
    dues = {}
  end
  if #ranks > 0 then
    redis.call('ZADD', READY, unpack(ranks))
    redis.call('ZADD', SINCE, unpack(sinces))
    if evicts > 0 then
      for i = 2, #ranks, 2 do
        if keeps(1) then add_evictable(1, ranks[i], states[ranks[i]]) end
        if keeps(2) then add_evictable(2, ranks[i], states[ranks[i]]) end
      end
    end
    ranks, sinces = {}, {}
  end
end

-- What has fallen due is ready: delays that are over and leases that have ended; answers whether all of it is.
local PROMOTED_AT_ONCE = 1000
local function promote()
  if soonest == 0 or soonest > now then return true end
  local due = redis.call('ZRANGEBYSCORE', WAITING, '-inf', now, 'LIMIT', 0, PROMOTED_AT_ONCE)
  if #due > 0 then
    redis.call('ZREM', WAITING, unpack(due))
    look_up(due)
    for _, id in ipairs(due) do
      local state = states[id]
      if state then
        if state[PLACE] == HELD then held = held - 1 end
        make_ready(id, state)
      end
    end
  end
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  soonest = tonumber(first[2] or 0)
  return #due < PROMOTED_AT_ONCE
end

-- One process that waits is told, if there is something for it before it asks again anyway.
local function wake()
  if parked > now and earliest < parked then
    redis.call('XADD', base .. ':wake', 'MAXLEN', 1, '*', 'w', '')
  end
end
`
