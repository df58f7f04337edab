/**
 * The lines: the common one, and one for each key whose tasks have a weight. What happens to a line is as backends/line-state.ts
 * has it, the order among them as flow/fair-order.ts, the limits of keys as flow/key-limits.ts, in microseconds; here the same
 * in Lua, and how lines are kept. test/fairness holds the two against each other.
 *
 * - `lines`: a hash of records by key; the ready tasks of a key stand in the sorted set `line:KEY`, by rank
 * - `open` by score, `pending` (kept closed by their rate) and `resting` (empty, but remembered for it) by the time when that is
 *   over, `saturated` by entry, `empty` by finish tag: sorted sets of keys, each behind the number of its entry, which breaks ties
 */
export const LINES_PART = `
local LINES = base .. ':lines'
local LINE_RECORD = '<' .. string.rep('d', 12)
local IDLE, OPEN, PENDING, SATURATED, RESTING, EMPTY = 0, 1, 2, 3, 4, 5
local SETS = {
  [OPEN] = base .. ':open', [PENDING] = base .. ':pending', [SATURATED] = base .. ':saturated',
  [RESTING] = base .. ':resting', [EMPTY] = base .. ':empty',
}
local HEAD_START, COST_GAIN, TOLERANCE = 10, 1 / 8, 4000

-- By key, as this script knows them; false if there is none.
local line_of, touched, adds = {}, {}, {}

local function member_of(line)
  return string.format('%016.0f', line.entered) .. line.key
end

-- The set in which it stands, or nil; and its score there.
local function standing(line)
  if line.state == OPEN then return OPEN, line.score end
  if line.state == PENDING or line.state == RESTING then return line.state, line.next_at end
  if line.state == SATURATED then return SATURATED, line.entered end
  if line.tasks == 0 then return EMPTY, line.finish end
end

local function look_up_lines(keys)
  local packed = redis.call('HMGET', LINES, unpack(keys))
  for i, key in ipairs(keys) do
    if line_of[key] == nil then
      line_of[key] = false
      if packed[i] then
        local line = { key = key }
        line.weight, line.cost, line.state, line.finish, line.score, line.entered, line.ready, line.in_flight, line.tasks,
          line.next_at, line.rank, line.priority = struct.unpack(LINE_RECORD, packed[i])
        line.set, line.set_score = standing(line)
        line.member = member_of(line)
        line_of[key] = line
      end
    end
  end
end

local function get_line(key)
  if line_of[key] == nil then look_up_lines({ key }) end
  return line_of[key]
end

local function touch(line)
  touched[line.key] = line
end

local function close_line(weight)
  open_lines, open_weight = open_lines - 1, open_weight - weight
  if open_lines > 0 then return end
  open_weight, virtual = 0, greatest
end

-- Books a grant; answers the new finish tag.
local function book(finish, weight, cost, priority)
  local tag = finish
  finish = tag + cost / weight
  entries = entries + 1
  greatest = math.max(greatest, finish)
  local reached = math.max(virtual, tag - HEAD_START * math.max(0, priority))
  virtual = math.max(reached, math.min(reached + cost / math.max(open_weight, weight), finish))
  return finish
end

local function state_of_line(line)
  if line.ready == 0 then return line.next_at > now and RESTING or IDLE end
  if key_concurrency > 0 and line.in_flight >= key_concurrency then return SATURATED end
  return key_rate > 0 and line.next_at > now and PENDING or OPEN
end

-- Brings its state up to date after anything about it has changed.
local function settle_line(line)
  local before = line.state
  line.state = state_of_line(line)
  touch(line)
  if line.state ~= OPEN then
    if before == OPEN then close_line(line.weight) end
    if line.state == PENDING then earliest = math.min(earliest, line.next_at) end
    return
  end
  if before ~= OPEN then
    line.finish = math.max(virtual, line.finish)
    entries = entries + 1
    line.entered = entries
    open_lines, open_weight = open_lines + 1, open_weight + line.weight
    earliest = 0
  end
  line.score = line.finish - HEAD_START * line.priority
end

-- The line of a task that comes in: one more of its tasks.
local function join_line(key, weight, cost)
  local line = get_line(key)
  if not line then
    line = {
      key = key, weight = weight, cost = cost, state = IDLE, finish = 0, score = 0, entered = 0, ready = 0, in_flight = 0,
      tasks = 0, next_at = 0, rank = 0, priority = 0,
    }
    line_of[key] = line
    lines = lines + 1
  end
  line.tasks = line.tasks + 1
  if line.tasks == 1 then settle_line(line) end
  touch(line)
  return line
end

-- The weight of a key is what its latest task says.
local function reweigh(line, weight)
  if line.weight == weight then return end
  if line.state == OPEN then open_weight = open_weight + weight - line.weight end
  line.weight = weight
end

-- A task of the line is gone for good, or dead.
local function leave_line(state)
  local line = state[WEIGHT] > 0 and get_line(state[KEY])
  if not line then return end
  line.tasks = line.tasks - 1
  if line.tasks == 0 then settle_line(line) end
  touch(line)
end

-- A task of the line is ready.
local function come(line, id, state)
  local ranks = adds[line.key] or {}
  adds[line.key] = ranks
  ranks[#ranks + 1], ranks[#ranks + 2] = state[RANK], id
  line.ready = line.ready + 1
  if line.ready == 1 or state[RANK] < line.rank then line.rank, line.priority = state[RANK], state[PRIORITY] end
  settle_line(line)
end

-- A task in flight is over or back.
local function ended(state)
  local line = state[WEIGHT] > 0 and get_line(state[KEY])
  if not line then return end
  line.in_flight = line.in_flight - 1
  if line.state == SATURATED then settle_line(line) else touch(line) end
end

-- Writes the lines that were changed, and puts them where they stand now.
local function flush_lines()
  local packed = {}
  for key, ranks in pairs(adds) do redis.call('ZADD', base .. ':line:' .. key, unpack(ranks)) end
  for key, line in pairs(touched) do
    local set, score = standing(line)
    local member = member_of(line)
    if line.set ~= set or line.set_score ~= score or line.member ~= member then
      if line.set then redis.call('ZREM', SETS[line.set], line.member) end
      if set then redis.call('ZADD', SETS[set], score, member) end
      line.set, line.set_score, line.member = set, score, member
    end
    packed[#packed + 1] = key
    packed[#packed + 1] = struct.pack(LINE_RECORD, line.weight, line.cost, line.state, line.finish, line.score, line.entered,
      line.ready, line.in_flight, line.tasks, line.next_at, line.rank, line.priority)
  end
  if #packed > 0 then redis.call('HSET', LINES, unpack(packed)) end
  adds, touched = {}, {}
end

-- The lines of a set in its order, looked up: so many at most, 0 for all; perhaps only those up to a score.
local function lines_in(set, most, up_to)
  local members = up_to and redis.call('ZRANGEBYSCORE', SETS[set], '-inf', up_to, 'LIMIT', 0, most)
    or redis.call('ZRANGE', SETS[set], 0, most - 1)
  local found = {}
  if #members == 0 then return found end
  for i, member in ipairs(members) do found[i] = string.sub(member, 17) end
  look_up_lines(found)
  for i, key in ipairs(found) do found[i] = line_of[key] end
  return found
end

-- Forgets lines of which nothing is queued, and which would open as one that was never there.
local FORGOTTEN_AT_ONCE = 100
local function forget_lines()
  if lines == 0 then return end
  for _, line in ipairs(lines_in(RESTING, FORGOTTEN_AT_ONCE, now)) do settle_line(line) end
  flush_lines()
  local empty = lines_in(EMPTY, FORGOTTEN_AT_ONCE, string.format('%.17g', virtual))
  if #empty == 0 then return end
  local keys, members = {}, {}
  for i, line in ipairs(empty) do
    keys[i], members[i] = line.key, line.member
    line_of[line.key] = false
  end
  redis.call('HDEL', LINES, unpack(keys))
  redis.call('ZREM', SETS[EMPTY], unpack(members))
  lines = lines - #keys
end
`
