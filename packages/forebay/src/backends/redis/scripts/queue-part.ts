/**
 * What every script of a queue begins with: its keys, its time, and its counters.
 *
 * All keys of a queue begin with KEYS[1], whose hash tag puts them into one slot of a cluster; the others are made from it.
 * Only KEYS[1] is declared: which lines and results a script touches is known only while it runs.
 *
 * Queue time, in microseconds, is the server's clock plus `offset`. It never goes back: a clock that was set back (or a
 * replica's, after a failover) enlarges `offset` instead. Within a script time stands still.
 */
export const QUEUE_PART = `
local base = KEYS[1]
local BODIES, STATES = base .. ':bodies', base .. ':states'
local READY, SINCE = base .. ':ready', base .. ':since'
local WAITING, DEAD = base .. ':waiting', base .. ':dead'

local record = redis.call('HMGET', base, 'last', 'offset', 'order', 'parked', 'evicts')
local last, offset, order = tonumber(record[1] or 0), tonumber(record[2] or 0), tonumber(record[3] or 0)
local parked, evicts = tonumber(record[4] or 0), record[5] or ''
local clock = redis.call('TIME')
local wall = clock[1] * 1000000 + clock[2]
local turned_back = wall + offset < last
if turned_back then offset = last - wall end
local now = wall + offset

-- Queue time, but never the same twice: those that come together are kept in their order.
local stamped = false
local function stamp()
  order = math.max(order + 1, now)
  stamped = true
  return order
end

-- For how long a key is kept, in milliseconds, that is good until a queue time; its content says until when exactly. The
-- server's own clock may go otherwise than queue time, so it is kept a minute longer.
local function kept(until_time)
  return math.ceil((until_time - now) / 1000) + 60000
end

local counts = {}
local function count(field, by)
  counts[field] = (counts[field] or 0) + by
end

local function save()
  redis.call('HSET', base, 'last', now)
  if stamped then redis.call('HSET', base, 'order', order) end
  if turned_back then redis.call('HSET', base, 'offset', offset) end
  for field, by in pairs(counts) do
    if by ~= 0 then redis.call('HINCRBY', base, field, by) end
  end
end
`
