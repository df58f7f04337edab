/**
 * Tasks as scripts know them.
 *
 * A body is a line for the scripts, then what only the client reads (task-body.ts). Of a task that is fresh (its priority is 0, it
 * was never delayed, granted or blocked, and has no line of its own) the first line says all that scripts need: `time number ttl`,
 * time and number being the parts of its stamp. Such a task stands in the list `fresh` and nowhere else. Of any other task the
 * first line is of no account: it has a state, a MessagePack array.
 *
 * A lease that has ended makes a task ready without a change of its state: DUE has passed, and so its token is good no more.
 */
export const STATES_PART = `
local PLACE, DUE, TOKEN, ATTEMPTS, RANK, EXPIRES, BYTES, PRIORITY, TTL = 1, 2, 3, 4, 5, 6, 7, 8, 9
local CREATED, PUSHED, COST, KEY, ORDERED, WEIGHT, FAILURES, REASON, DIED = 10, 11, 12, 13, 14, 15, 16, 17, 18
local WAITS, HELD, BLOCKED, GONE_BAD = 0, 1, 2, 3
local STEP = 60000000

-- By id: the state, or false if there is no such task. Changes are written by flush().
local states, changed, gone = {}, {}, {}
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
`
