/**
 * What every script of a queue begins with: its keys, its record, and its time.
 *
 * All keys of a queue begin with KEYS[1], whose hash tag puts them into one slot of a cluster; the others are made from it.
 * Only KEYS[1] is declared: which lines and results a script touches is known only while it runs.
 *
 * The record is one value of numbers, read at the beginning and written by save(): so it costs two commands, however many of
 * its numbers a script needs.
 *
 * Queue time, in microseconds, is the server's clock plus `offset`. It never goes back: a clock that was set back (or a
 * replica's, after a failover) enlarges `offset` instead. Within a script time stands still.
 */
export const QUEUE_PART = `
local base = KEYS[1]
local BODIES, STATES, FRESH = base .. ':bodies', base .. ':states', base .. ':fresh'
local READY, SINCE, WAITING, DEAD = base .. ':ready', base .. ':since', base .. ':waiting', base .. ':dead'
local OLDEST, LOWEST = base .. ':oldest', base .. ':lowest'

local RECORD = '<' .. string.rep('d', 26)
local packed_record = redis.call('GET', base)
-- last: queue time when it was last written     order: the last stamp     parked: until then somebody waits for a word
-- soonest: nothing in WAITING is due before     fresh, ranked: how many are in FRESH and READY, which are the common line
-- evicts: which orders of giving way are kept
local last, offset, order, parked, soonest, fresh, ranked, evicts = 0, 0, 0, 0, 0, 0, 0, 0
local bytes, held, blocked, grants, completed, expired, dropped = 0, 0, 0, 0, 0, 0, 0
-- The order among lines, as flow/fair-order.ts has it; the limits of each key, 0 for none; how many keys have a line.
local virtual, greatest, open_lines, open_weight, entries = 0, 0, 0, 0, 0
local common_finish, common_entered, common_cost = 0, 0, 1
local key_concurrency, key_rate, lines = 0, 0, 0
if packed_record then
  last, offset, order, parked, soonest, fresh, ranked, evicts, bytes, held, blocked, grants, completed, expired, dropped,
    virtual, greatest, open_lines, open_weight, entries, common_finish, common_entered, common_cost, key_concurrency, key_rate,
    lines = struct.unpack(RECORD, packed_record)
end

local clock = redis.call('TIME')
local wall = clock[1] * 1000000 + clock[2]
if wall + offset < last then offset = last - wall end
local now = wall + offset

-- Queue time, but never the same twice: those that come together are kept in their order.
local function stamp()
  order = math.max(order + 1, now)
  return order
end

-- To be called when the first task of the common line comes.
local function open_common()
  common_finish = math.max(virtual, common_finish)
  entries = entries + 1
  common_entered = entries
  open_lines, open_weight = open_lines + 1, open_weight + 1
end

-- For how long a key is kept, in milliseconds, that is good until a queue time; its content says until when exactly. The
-- server's own clock may go otherwise than queue time, so it is kept a minute longer.
local function kept(until_time)
  return math.ceil((until_time - now) / 1000) + 60000
end

local function save()
  redis.call('SET', base, struct.pack(RECORD, now, offset, order, parked, soonest, fresh, ranked, evicts, bytes, held, blocked,
    grants, completed, expired, dropped, virtual, greatest, open_lines, open_weight, entries, common_finish, common_entered,
    common_cost, key_concurrency, key_rate, lines))
end
`
