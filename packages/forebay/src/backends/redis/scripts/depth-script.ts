/**
 * How full the queue is, and where a newcomer would stand.
 *
 * KEYS[1] the queue
 * ARGV    none; or of a newcomer: its key ('' if it has no line of its own), its weight, its priority
 * Returns `[1 if more has fallen due than this call made ready, ready, delayed, inFlight, dead, microseconds since the oldest
 *         ready one was due, bytes, accepted, completed, expired, dropped]`; then, for a newcomer, in texts of numbers: how many of its
 *         line go before it, the virtual time, its line, how many open lines have a score up to its own, and as many others of
 *         these as are looked at. A line is `1 if it is open, finish, score, entered, weight, cost, ready`.
 */

import { QUEUE_PART } from './queue-part.ts'
import { TASKS_PART } from './tasks-part.ts'

export const DEPTH_SCRIPT = `${QUEUE_PART}${TASKS_PART}
local MOST_LOOKED_AT = 1000

local all = promote()
if #sinces > 0 then
  flush()
  save()
end

local first_since = redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')
local oldest = tonumber(first_since[2] or now)
local first_fresh = redis.call('LINDEX', FRESH, 0)
local first_state = first_fresh and state_of(first_fresh)
if first_state then oldest = math.min(oldest, first_state[DUE]) end
local answer = {
  all and 0 or 1,
  fresh + redis.call('ZCARD', SINCE),
  redis.call('ZCARD', WAITING) - held + blocked,
  held,
  redis.call('ZCARD', DEAD),
  now - oldest,
  bytes,
  redis.call('HLEN', BODIES) + completed + expired + dropped,
  completed,
  expired,
  dropped,
}
if #ARGV == 0 then return answer end

local function say(number)
  answer[#answer + 1] = string.format('%.17g', number)
end

local function say_line(line)
  say(line.state == OPEN and 1 or 0)
  for _, field in ipairs({ 'finish', 'score', 'entered', 'weight', 'cost', 'ready' }) do say(line[field]) end
end

-- How many fresh ones have a rank up to this. They stand in the order of their stamps, which are their ranks.
local function count_fresh(rank)
  local low, high = 0, fresh
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = redis.call('LINDEX', FRESH, middle)
    local state = id and state_of(id)
    if state and state[RANK] <= rank then low = middle + 1 else high = middle end
  end
  return low
end

local function common_line()
  local first_ready = redis.call('ZRANGE', READY, 0, 0)[1]
  local state = first_ready and state_of(first_ready)
  local first = state and (not first_state or state[RANK] < first_state[RANK]) and state or first_state
  local line = { finish = common_finish, entered = common_entered, weight = 1, cost = common_cost, ready = fresh + ranked }
  line.state = line.ready > 0 and OPEN or IDLE
  line.score = common_finish - HEAD_START * (first and first[PRIORITY] or 0)
  return line
end

local key, weight, priority = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rank = math.max(order + 1, now) - priority * STEP
local shared = common_line()
local own, within = shared, 0
if key == '' then
  within = (priority > 0 and count_fresh(rank) or fresh) + redis.call('ZCOUNT', READY, '-inf', rank)
else
  own = get_line(key) or { state = IDLE, finish = 0, score = 0, entered = 0, weight = weight, cost = 1, ready = 0 }
  within = redis.call('ZCOUNT', base .. ':line:' .. key, '-inf', rank)
end
local tag = own.state == OPEN and own.finish or math.max(virtual, own.finish)
local score = string.format('%.17g', tag + within * own.cost / own.weight - HEAD_START * priority)
say(within)
say(virtual)
say_line(own)
say(lines > 0 and redis.call('ZCOUNT', SETS[OPEN], '-inf', score) or 0)
if key ~= '' and shared.state == OPEN then say_line(shared) end
for _, line in ipairs(lines > 0 and lines_in(OPEN, MOST_LOOKED_AT, score) or {}) do
  if line ~= own then say_line(line) end
end
return answer
`
