/**
 * Where a task stands. If it has a state, its id is in a sorted set, unless it is blocked:
 *
 * - `ready`, or `line:KEY` if it has a line of its own, by rank (backends/rank.ts)
 * - `since` by the time since which it has been ready: all ids of the two above
 * - `waiting` by due time: delayed ones and those in flight, whose due time is the end of the lease
 * - `dead` by the order of their deaths
 * - `turn:KEY`: the list of the ordered tasks of one key; those behind the first are blocked
 */

import { LINES_PART } from './lines-part.ts'
import { SEND_WORD } from './queue-part.ts'
import { STATES_PART } from './states-part.ts'

export const TASKS_PART = `${STATES_PART}${LINES_PART}
local ranks, sinces, dues = {}, {}, {}

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
  sinces[#sinces + 1], sinces[#sinces + 2] = state[DUE], id
  local line = state[WEIGHT] > 0 and get_line(state[KEY])
  if line then return come(line, id, state) end
  if fresh + ranked == 0 then open_common() end
  ranks[#ranks + 1], ranks[#ranks + 2] = state[RANK], id
  ranked = ranked + 1
  earliest = 0
end

-- Takes granted or dropped ones, that are not fresh, out of what is kept of those that are ready but for their lines.
local function unready(ids)
  if #ids == 0 then return end
  redis.call('ZREM', SINCE, unpack(ids))
  if keeps(1) then redis.call('ZREM', OLDEST, unpack(ids)) end
  if keeps(2) then
    for _, id in ipairs(ids) do
      if states[id] then redis.call('ZREM', LOWEST, evictable(id, states[id])) end
    end
  end
end

-- So many of the common line are granted or dropped.
local function shrink_common(from_fresh, from_ready)
  fresh, ranked = fresh - from_fresh, ranked - from_ready
  if from_fresh + from_ready > 0 and fresh + ranked == 0 then close_line(1) end
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

-- Lets an ordered one wait for its turn among those of its key; whether there is one before it.
local function join_turns(id, state)
  if state[ORDERED] == 0 then return false end
  if redis.call('RPUSH', base .. ':turn:' .. state[KEY], id) == 1 then return false end
  state[PLACE] = BLOCKED
  blocked = blocked + 1
  return true
end

-- Its turn is over; the next one waits out its own delay, or is ready as of now.
local function leave_turns(id, state)
  if state[ORDERED] == 0 then return end
  local turns = base .. ':turn:' .. state[KEY]
  redis.call('LREM', turns, 1, id)
  local next_id = redis.call('LINDEX', turns, 0)
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
    ranks = {}
  end
  if #sinces > 0 then
    redis.call('ZADD', SINCE, unpack(sinces))
    for i = 2, evicts > 0 and #sinces or 0, 2 do
      if keeps(1) then add_evictable(1, sinces[i], states[sinces[i]]) end
      if keeps(2) then add_evictable(2, sinces[i], states[sinces[i]]) end
    end
    sinces = {}
  end
  if lines > 0 then flush_lines() end
end

-- Lines open in the order in which their tasks fell due.
local function fell_due_first(a, b)
  local one, other = states[a], states[b]
  if not one or not other then return (one and 1 or 0) > (other and 1 or 0) end
  if one[DUE] ~= other[DUE] then return one[DUE] < other[DUE] end
  return one[PUSHED] < other[PUSHED]
end

-- What has fallen due is ready: delays that are over and leases that have ended; answers whether all of it is.
local PROMOTED_AT_ONCE = 1000
local function promote()
  if soonest == 0 or soonest > now then return true end
  -- What this script has put there itself is to be seen too.
  flush()
  local due = redis.call('ZRANGEBYSCORE', WAITING, '-inf', now, 'LIMIT', 0, PROMOTED_AT_ONCE)
  if #due > 0 then
    redis.call('ZREM', WAITING, unpack(due))
    look_up(due)
    if lines > 0 then table.sort(due, fell_due_first) end
    for _, id in ipairs(due) do
      local state = states[id]
      if state then
        if state[PLACE] == HELD then
          held = held - 1
          ended(state)
        end
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
  if parked > now and earliest < parked then ${SEND_WORD} end
end
`
