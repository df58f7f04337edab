/**
 * Which tasks a claim gets. With nothing but the common line that is a look along it. Else the open lines are read in their
 * order, as many as there may be grants, and served in turn in memory; what a line sends is read a few tasks at a time.
 */
export const TURNS_PART = `
-- Those that are granted, in their order.
local ids = {}
local common = { is_common = true }
-- By line: what was read of it and how much of that is used, and what is taken out of it by commit().
local readers = {}

local function read_common(reader, size)
  local fresh_ids = redis.call('LRANGE', FRESH, reader.fresh, reader.fresh + size - 1)
  local others = {}
  if ranked > 0 then
    others = redis.call('ZRANGE', READY, #reader.taken, #reader.taken + size - 1, 'WITHSCORES')
    look_up(fresh_ids)
  end
  local f, o = 1, 1
  while #reader.ids < size and (fresh_ids[f] or others[o]) do
    local id, other = fresh_ids[f], others[o]
    local is_fresh = id and (not other or not states[id] or states[id][RANK] < tonumber(others[o + 1]))
    local at = #reader.ids + 1
    reader.ids[at], reader.is_fresh[at] = is_fresh and id or other, is_fresh
    if is_fresh then f = f + 1 else o = o + 2 end
  end
end

local function read_more(line, reader, size)
  reader.ids, reader.is_fresh, reader.used = {}, {}, 0
  if line.is_common then
    read_common(reader, size)
  else
    reader.ids = redis.call('ZRANGE', base .. ':line:' .. line.key, #reader.taken, #reader.taken + size - 1)
  end
  local known = {}
  for i, id in ipairs(reader.ids) do
    if not reader.is_fresh[i] then known[#known + 1] = id end
  end
  look_up(known)
end

local function take_first(line, reader)
  reader.used = reader.used + 1
  local id, is_fresh = reader.ids[reader.used], reader.is_fresh[reader.used]
  if is_fresh then reader.fresh = reader.fresh + 1 else reader.taken[#reader.taken + 1] = id end
  if line.is_common then shrink_common(is_fresh and 1 or 0, is_fresh and 0 or 1) else line.ready = line.ready - 1 end
  return id
end

-- The first task of a line, its cost and its priority; what somebody else has deleted is taken out and passed over.
local function peek(line, size)
  local reader = readers[line]
  if not reader then
    reader = { ids = {}, is_fresh = {}, used = 0, fresh = 0, taken = {} }
    readers[line] = reader
  end
  while true do
    if reader.used == #reader.ids then read_more(line, reader, size) end
    local id = reader.ids[reader.used + 1]
    if not id then return nil end
    local state = states[id]
    if state then return id, state[COST], state[PRIORITY], state[RANK] end
    if reader.is_fresh[reader.used + 1] then return id, 1, 0 end
    take_first(line, reader)
  end
end

-- Grants the first task of a line; answers true if there was one.
local function grant_first(line, size)
  local id, cost, priority = peek(line, size)
  if not id then
    -- Somebody else has deleted what was counted.
    if line.is_common then return shrink_common(fresh, ranked) end
    line.ready = 0
    return settle_line(line)
  end
  -- While it is booked the line is open: it closes, if it does, by what comes after.
  local reader = readers[line]
  if line.is_common then
    common_finish = book(common_finish, 1, cost, priority)
    common_entered = entries
    common_cost = common_cost + (cost - common_cost) * COST_GAIN
    take_first(line, reader)
  else
    line.finish = book(line.finish, line.weight, cost, priority)
    line.entered = entries
    line.in_flight = line.in_flight + 1
    if key_rate > 0 then line.next_at = (now <= line.next_at + TOLERANCE and line.next_at or now) + 1000000 / key_rate end
    line.cost = line.cost + (cost - line.cost) * COST_GAIN
    take_first(line, reader)
    local next_id, _, next_priority, next_rank = nil, nil, nil, nil
    if line.ready > 0 then next_id, _, next_priority, next_rank = peek(line, size) end
    if next_id then line.priority, line.rank = next_priority, next_rank end
    settle_line(line)
  end
  ids[#ids + 1] = id
  return true
end

-- Takes out of the lines what was granted.
local function commit()
  for line, reader in pairs(readers) do
    if reader.fresh > 0 then redis.call('LPOP', FRESH, reader.fresh) end
    if #reader.taken > 0 then
      redis.call('ZREM', line.is_common and READY or base .. ':line:' .. line.key, unpack(reader.taken))
      unready(reader.taken)
    end
  end
  readers = {}
end

local function comes_before(a, b)
  return a.score < b.score or a.score == b.score and a.entered < b.entered
end

local function insert(order, line)
  local low, high = 1, #order + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if comes_before(order[middle], line) then low = middle + 1 else high = middle end
  end
  table.insert(order, low, line)
end

local function insert_common(order, size)
  if fresh + ranked == 0 then return end
  local id, _, priority = peek(common, size)
  if not id then return shrink_common(fresh, ranked) end
  common.score, common.entered = common_finish - HEAD_START * priority, common_entered
  insert(order, common)
end

-- The open lines in their order, as many as may be served: each grant moves one behind those that were not read. And the last
-- that was read, unless all were.
local function read_order(most)
  flush_lines()
  local order = lines_in(OPEN, most)
  local final = order[most]
  local bound = final and { score = final.score, entered = final.entered }
  insert_common(order, most)
  return order, bound
end

local function in_turn(most)
  local order, bound = read_order(most)
  local left = most
  while left > 0 do
    local line = table.remove(order, 1)
    if not line or bound and comes_before(bound, line) then
      if not bound then return end
      order, bound = read_order(left)
    else
      -- Limits that were set after it opened may close it.
      if not line.is_common then settle_line(line) end
      if line.is_common or line.state == OPEN then
        -- One more than it may send, because who is next decides its place.
        local size = math.ceil(left / (#order + 1)) + 1
        if grant_first(line, size) then left = left - 1 end
        if line.is_common then insert_common(order, size) elseif line.state == OPEN then insert(order, line) end
      end
    end
  end
end

-- Fresh ones only: they need not even be looked at.
local function take_fresh(most)
  local popped = redis.call('LPOP', FRESH, most) or {}
  for _, id in ipairs(popped) do
    ids[#ids + 1] = id
    common_finish = book(common_finish, 1, 1, 0)
    common_cost = common_cost + (1 - common_cost) * COST_GAIN
  end
  common_entered = entries
  shrink_common(#popped < most and fresh or #popped, 0)
end

local function take(most)
  if open_lines == 0 or most == 0 then return end
  local common_only = open_lines == 1 and fresh + ranked > 0
  if not common_only then
    in_turn(most)
  elseif ranked == 0 then
    take_fresh(most)
  else
    local left = most
    while left > 0 and grant_first(common, left) do left = left - 1 end
  end
  commit()
end
`
