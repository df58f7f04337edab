/**
 * Stores tasks, each on its own merits: dedup, duplicates and bounds first.
 *
 * KEYS[1] the queue
 * ARGV[1] JSON `[maxDepth, maxBytes, overflow, tasks]`; a bound of -1 is none. A task is `[id, bytes, priority, delay, ttl, cost,
 *         key, ordered, weight, dedupId, print, window]`: spans in microseconds; ttl 0 is none, ordered 0 or 1, weight 0 is none. What is left out at its end is 0 or ''; cost then is 1.
 * ARGV[2...] the bodies, in the same order
 * Returns for each task: `[]` accepted, `[0, id]` duplicate, `[1, id]` conflict, `[2]` full by depth, `[3]` full by bytes.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const PUSH_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local request = cjson.decode(ARGV[1])
local max_depth, max_bytes, tasks = request[1], request[2], request[4]
local depth = max_depth >= 0 and redis.call('HLEN', STATES) - redis.call('ZCARD', DEAD)
local bytes = max_bytes >= 0 and tonumber(redis.call('HGET', base, 'bytes') or 0)

local ids, bodies, results = {}, {}, {}
for i, task in ipairs(tasks) do ids[i] = task[1] end
look_up(ids)

local function seen(dedup_id, print)
  local first = redis.call('GET', base .. ':dedup:' .. dedup_id)
  if not first then return nil end
  local ends, of, id = string.match(first, '^(%d+) (%S+) (.*)$')
  if tonumber(ends) <= now then return nil end
  return { of == print and 0 or 1, id }
end

local function store(task, body)
  local id, priority, ttl = task[1], task[3] or 0, task[5] or 0
  local state = {
    WAITS, now + (task[4] or 0), '', 0, stamp() - priority * STEP, ttl > 0 and now + ttl or 0, task[2], priority, ttl,
    math.floor(wall / 1000), task[6] or 1, task[7] or '', task[8] or 0, task[9] or 0,
  }
  if not join(id, state) then place(id, state) end
  change(id, state)
  bodies[#bodies + 1], bodies[#bodies + 2] = id, body
  count('accepted', 1)
  count('bytes', task[2])
  if depth then depth = depth + 1 end
  if bytes then bytes = bytes + task[2] end
end

local function push(task, body)
  local dedup_id = task[10]
  local first = dedup_id and seen(dedup_id, task[11])
  if first then return first end
  if states[task[1]] then return { 0, task[1] } end
  if depth and depth >= max_depth then return { 2 } end
  if bytes and bytes + task[2] > max_bytes then return { 3 } end
  store(task, body)
  if dedup_id then
    local ends = now + task[12]
    redis.call('SET', base .. ':dedup:' .. dedup_id, string.format('%.0f %s %s', ends, task[11], task[1]), 'PX', kept(ends))
  end
  return {}
end

for i, task in ipairs(tasks) do results[i] = push(task, ARGV[i + 1]) end
if #bodies > 0 then redis.call('HSET', BODIES, unpack(bodies)) end
flush()
wake()
save()
return results
`
