/**
 * Stores tasks, each on its own merits: dedup, duplicates and bounds first.
 *
 * KEYS[1] the queue
 * ARGV[1] JSON `[maxDepth, maxBytes, overflow, tasks]`; a bound of -1 is none. A task is `[id, bytes, priority, delay, ttl, cost,
 *         key, ordered, weight, dedupId, print, window]`: spans in microseconds; ttl 0 is none, ordered 0 or 1, weight 0 is none. dedupId, print and window may be missing.
 * ARGV[2...] the bodies, in the same order
 * Returns for each task: `[]` accepted, `[0, id]` duplicate, `[1, id]` conflict, `[2]` full by depth, `[3]` full by bytes,
 *         `[4, ids...]` accepted, and these gave way to it.
 */

import { EVICT_PART } from './evict-part.ts'
import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const PUSH_SCRIPT = `${QUEUE_PART}${TASKS_PART}${EVICT_PART}
local request = cjson.decode(ARGV[1])
local max_depth, max_bytes, overflow, tasks = request[1], request[2], request[3], request[4]
local depth = max_depth >= 0 and redis.call('HLEN', BODIES) - redis.call('ZCARD', DEAD)
local new, results = {}, {}

local function seen(dedup_id, print)
  local first = redis.call('GET', base .. ':dedup:' .. dedup_id)
  if not first then return nil end
  local ends, of, id = string.match(first, '^(%d+) (%S+) (.*)$')
  if tonumber(ends) <= now then return nil end
  return { of == print and 0 or 1, id }
end

local function store(task)
  local id, priority, ttl = task[1], task[3], task[5]
  local state = {
    WAITS, now + task[4], '', 0, order - priority * STEP, ttl > 0 and now + ttl or 0, task[2], priority, ttl,
    math.floor(wall / 1000), order, task[6], task[7], task[8], task[9],
  }
  if task[9] > 0 then reweigh(join_line(task[7], task[9], task[6]), task[9]) end
  if not join_turns(id, state) then place(id, state) end
  change(id, state)
end

local function store_fresh()
  if #new == 0 then return end
  redis.call('RPUSH', FRESH, unpack(new))
  earliest, new = 0, {}
end

-- Why it can't be stored, or nil; and the ids of what gave way to it.
local function refusal(task)
  local too_many = depth and depth + 1 - max_depth or 0
  local too_much = max_bytes >= 0 and bytes + task[2] - max_bytes or 0
  if too_many <= 0 and too_much <= 0 then return nil end
  if redis.call('HEXISTS', BODIES, task[1]) == 1 then return { 0, task[1] } end
  local helps = overflow ~= 'reject' and (max_bytes < 0 or task[2] <= max_bytes) and too_many <= MOST_DROPPED
  if helps then store_fresh() end
  local victims = helps and make_room(too_many, too_much, overflow, task[3])
  if not victims then return { too_many > 0 and 2 or 3 } end
  if depth then depth = depth - #victims end
  return nil, victims
end

local function push(task, body)
  local id, dedup_id = task[1], task[10]
  local no, victims = dedup_id and seen(dedup_id, task[11]), nil
  if not no then no, victims = refusal(task) end
  if no then return no end
  local is_fresh = task[3] == 0 and task[4] == 0 and task[6] == 1 and task[8] == 0 and task[9] == 0
  local stamped = stamp()
  local line = is_fresh and string.format('%.0f %.0f %.0f\\n', now, stamped - now, task[5]) or '\\n'
  if redis.call('HSETNX', BODIES, id, line .. body) == 0 then return { 0, id } end
  if is_fresh then
    if fresh + ranked == 0 then open_common() end
    new[#new + 1], fresh = id, fresh + 1
  else
    store(task)
  end
  bytes = bytes + task[2]
  if depth then depth = depth + 1 end
  if dedup_id then
    local ends = now + task[12]
    redis.call('SET', base .. ':dedup:' .. dedup_id, string.format('%.0f %s %s', ends, task[11], id), 'PX', kept(ends))
  end
  return victims and { 4, unpack(victims) } or {}
end

forget_lines()
for i, task in ipairs(tasks) do results[i] = push(task, ARGV[i + 1]) end
store_fresh()
flush()
wake()
save()
return results
`
