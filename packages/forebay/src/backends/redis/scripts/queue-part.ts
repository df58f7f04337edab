/**
 * What every script of a queue begins with: its keys, its record, and its time.
 *
 * All keys of a queue begin with KEYS[1], whose hash tag puts them into one slot of a cluster; the others are made from it.
 * Only KEYS[1] is declared: which lines and results a script touches is known only while it runs.
 *
 * The record is one value of numbers, read at the beginning and written by save(): so it costs two commands, however many of
 * its numbers a script needs. What the push of plain tasks needs stands first in it (push-fresh-script.ts): it is what happens most
 * often alone, and packing numbers is a good part of what a short script costs.
 *
 * Queue time, in microseconds, is the server's clock plus `offset`. It never goes back: a clock that was set back (or a
 * replica's, after a failover) enlarges `offset` instead. Within a script time stands still.
 */

/** The push of plain tasks writes these. */
const WRITTEN_BY_PLAIN = ['last', 'offset', 'order', 'bytes', 'fresh', 'told']
const READ_BY_PLAIN = [...WRITTEN_BY_PLAIN, 'ranked', 'parked']
/** And reads and writes these, if it opens the common line. */
const OF_OPENING = ['virtual', 'entries', 'open_lines', 'open_weight', 'common_finish', 'common_entered']
const FIRST_FIELDS = [...READ_BY_PLAIN, ...OF_OPENING]

const OTHERS = ['soonest', 'evicts', 'held', 'blocked', 'grants', 'completed', 'expired', 'dropped']
const OTHERS_OF_LINES = ['greatest', 'common_cost', 'key_concurrency', 'key_rate', 'lines']
const FIELDS = [...FIRST_FIELDS, ...OTHERS, ...OTHERS_OF_LINES]

const formatOf = (fields: readonly string[]) => `'<${'d'.repeat(fields.length)}'`
const beginnings = FIELDS.map((field) => (field === 'common_cost' ? 1 : 0)).join(', ')
/** As they are written, `last` is now. */
const values = (fields: readonly string[]) => fields.join(', ').replace(/^last/, 'now')

const CLOCK = `
local clock = redis.call('TIME')
local wall = clock[1] * 1000000 + clock[2]
if wall + offset < last then offset = last - wall end
local now = wall + offset
`

const OPEN_COMMON = `
-- To be called when the first task of the common line comes.
local function open_common()
  common_finish = math.max(virtual, common_finish)
  entries = entries + 1
  common_entered = entries
  open_lines, open_weight = open_lines + 1, open_weight + 1
end
`

/** For push-fresh-script.ts: what it needs of the record. */
export const PLAIN_QUEUE_PART = `
local base = KEYS[1]
local packed_record = redis.call('GET', base)
if not packed_record then
  packed_record = struct.pack(${formatOf(FIELDS)}, ${beginnings})
  redis.call('SET', base, packed_record)
end
local ${READ_BY_PLAIN.join(', ')} = struct.unpack(${formatOf(READ_BY_PLAIN)}, packed_record)
${CLOCK}`

/** And writes of it. */
export const SAVE_PLAIN = `
redis.call('SETRANGE', base, '0', struct.pack(${formatOf(WRITTEN_BY_PLAIN)}, ${values(WRITTEN_BY_PLAIN)}))
`

/** Or writes of it, if it opens the common line. */
export const SAVE_OPENING = `
local ${OF_OPENING.join(', ')} = struct.unpack(${formatOf(OF_OPENING)}, packed_record, ${8 * READ_BY_PLAIN.length + 1})
${OPEN_COMMON}
open_common()
redis.call('SETRANGE', base, '0', struct.pack(${formatOf(FIRST_FIELDS)}, ${values(FIRST_FIELDS)}))
`

/**
 * For so long, in microseconds, a word is trusted to be under way to somebody who will ask. Until he has, or this has passed,
 * no other is sent: whoever asks gets what is there, and tells the next one if something is left.
 */
const WORD_TRUSTED = 10_000

/** Tells one process that waits, unless there is a word under way. */
export const SEND_WORD = `
  if now - told > ${WORD_TRUSTED} or told == 0 then
    redis.call('XADD', base .. ':wake', 'MAXLEN', '1', '*', 'w', '')
    told = now
  end
`

export const QUEUE_PART = `
local base = KEYS[1]
local BODIES, STATES, FRESH = base .. ':bodies', base .. ':states', base .. ':fresh'
local READY, SINCE, WAITING, DEAD = base .. ':ready', base .. ':since', base .. ':waiting', base .. ':dead'
local OLDEST, LOWEST = base .. ':oldest', base .. ':lowest'

-- last: queue time when it was last written     order: the last stamp     parked: until then somebody waits for a word
-- told: when the last word was sent, 0 once somebody has asked since
-- soonest: nothing in WAITING is due before     fresh, ranked: how many are in FRESH and READY, which are the common line
-- evicts: which orders of giving way are kept
-- virtual...: the order among lines, as flow/fair-order.ts has it
-- key_concurrency, key_rate: the limits of each key, 0 for none     lines: how many keys have a line
local ${FIELDS.join(', ')} = ${beginnings}
local packed_record = redis.call('GET', base)
if packed_record then
  ${FIELDS.join(', ')} = struct.unpack(${formatOf(FIELDS)}, packed_record)
end
${CLOCK}
-- Queue time, but never the same twice: those that come together are kept in their order.
local function stamp()
  order = math.max(order + 1, now)
  return order
end

${OPEN_COMMON}
-- For how long a key is kept, in milliseconds, that is good until a queue time; its content says until when exactly. The
-- server's own clock may go otherwise than queue time, so it is kept a minute longer.
local function kept(until_time)
  return math.ceil((until_time - now) / 1000) + 60000
end

local function save()
  redis.call('SET', base, struct.pack(${formatOf(FIELDS)}, ${values(FIELDS)}))
end
`
