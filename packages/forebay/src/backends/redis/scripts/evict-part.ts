/**
 * Tasks that give way to a newcomer at a queue's bounds. The two orders in which they do are kept from the first time that they
 * are asked for, so that a queue without such a policy pays nothing for them: `oldest` by the time of their push, and `lowest`
 * by priority and then, from its end, by the time of their push. Fresh tasks stand in neither: their list is in both orders.
 *
 * What is beyond the bounds, and when nothing can help, is as backends/eviction.ts has it.
 */
export const EVICT_PART = `
local MOST_DROPPED = 1000
local LOOKED_AT_ONCE = 50
local OLDEST_KEPT, LOWEST_KEPT = 1, 2

-- Begins to keep an order, unless it is kept.
local function keep_order(flag)
  if keeps(flag) then return end
  evicts = evicts + flag
  local at = 0
  repeat
    local ids = redis.call('ZRANGE', SINCE, at, at + 999)
    look_up(ids)
    for _, id in ipairs(ids) do
      if states[id] then add_evictable(flag, id, states[id]) end
    end
    at = at + #ids
  until #ids == 0
end

-- Reads ids a few at a time; read(from) answers those from the given place on.
local function reader(read)
  local at, buffer, used = 0, {}, 0
  return {
    peek = function()
      if used == #buffer then
        buffer, used = read(at), 0
        look_up(buffer)
        at = at + #buffer
      end
      return buffer[used + 1]
    end,
    skip = function() used = used + 1 end,
  }
end

local function fresh_ones(oldest)
  return reader(function(from)
    local to = from + LOOKED_AT_ONCE - 1
    if oldest then return redis.call('LRANGE', FRESH, from, to) end
    local ids, turned = redis.call('LRANGE', FRESH, -1 - to, -1 - from), {}
    for i = #ids, 1, -1 do turned[#turned + 1] = ids[i] end
    return turned
  end)
end

local function other_ones(oldest)
  return reader(function(from)
    local to = from + LOOKED_AT_ONCE - 1
    if oldest then return redis.call('ZRANGE', OLDEST, from, to) end
    local members = redis.call('ZREVRANGE', LOWEST, from, to)
    for i, member in ipairs(members) do members[i] = string.sub(member, 17) end
    return members
  end)
end

local function gives_way_first(a, b, oldest)
  if not oldest and a[PRIORITY] ~= b[PRIORITY] then return a[PRIORITY] < b[PRIORITY] end
  if oldest then return a[PUSHED] < b[PUSHED] end
  return a[PUSHED] > b[PUSHED]
end

-- The ids that make room together, and how many of them are fresh; nil if all that may give way are not enough.
local function victims_of(tasks, size, oldest, priority)
  local fresh, others = fresh_ones(oldest), other_ones(oldest)
  local victims, from_fresh, freed = {}, 0, 0
  while #victims < tasks or freed < size do
    local id, other = fresh.peek(), others.peek()
    local is_fresh = id and not (other and gives_way_first(states[other], states[id], oldest))
    if not is_fresh then id = other end
    local state = id and #victims < MOST_DROPPED and states[id]
    if not state or (not oldest and state[PRIORITY] >= priority) then return nil end
    if is_fresh then
      fresh.skip()
      from_fresh = from_fresh + 1
    else
      others.skip()
    end
    victims[#victims + 1] = id
    freed = freed + state[BYTES]
  end
  return victims, from_fresh
end

-- Takes a ready task out of its line.
local function withdraw(id, state)
  local line = state[WEIGHT] > 0 and get_line(state[KEY])
  if not line then
    local from_ready = redis.call('ZREM', READY, id)
    return shrink_common(1 - from_ready, from_ready)
  end
  -- One that was dropped before it may have let another one into this line.
  flush_lines()
  local ready = base .. ':line:' .. line.key
  redis.call('ZREM', ready, id)
  line.ready = line.ready - 1
  local first = redis.call('ZRANGE', ready, 0, 0)[1]
  local after = first and state_of(first)
  if after then line.rank, line.priority = after[RANK], after[PRIORITY] end
  settle_line(line)
end

-- Drops what must give way so that so many tasks and bytes less are queued; answers the ids, or nil and drops nothing.
local function make_room(tasks, size, policy, priority)
  local oldest = policy == 'drop-oldest'
  promote()
  flush()
  keep_order(oldest and OLDEST_KEPT or LOWEST_KEPT)
  local victims, from_fresh = victims_of(tasks, size, oldest, priority)
  if not victims then return nil end
  if from_fresh > 0 then redis.call(oldest and 'LPOP' or 'RPOP', FRESH, from_fresh) end
  unready(victims)
  for _, id in ipairs(victims) do
    local state = states[id]
    withdraw(id, state)
    forget(id)
    bytes = bytes - state[BYTES]
    dropped = dropped + 1
    leave_line(state)
    leave_turns(id, state)
  end
  flush()
  return victims
end
`
