/**
 * Stores tasks that wish nothing but to run: no dedup id, delay, time to live, priority, order, line or cost of their own. It does
 * what push-script.ts does, which takes all others, in a third of its time.
 *
 * KEYS[1] the queue
 * ARGV[1] maxDepth, ARGV[2] maxBytes: -1 is none
 * ARGV[3, 4], ARGV[5, 6]...  for each its id and its body
 * Returns 0 if all are accepted; else for each 0 if it is, 1 duplicate, 2 full by depth, 3 full by bytes.
 */

import { PLAIN_QUEUE_PART } from './queue-part.ts'

export const PUSH_FRESH_SCRIPT = `${PLAIN_QUEUE_PART}
local BODIES = base .. ':bodies'
local max_depth, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local depth = max_depth >= 0 and redis.call('HLEN', BODIES) - redis.call('ZCARD', base .. ':dead')
local new, results = {}, {}
for i = 3, #ARGV, 2 do
  local id, body = ARGV[i], ARGV[i + 1]
  local size = #body - string.find(body, '\\n', 1, true)
  local result = depth and depth >= max_depth and 2 or max_bytes >= 0 and bytes + size > max_bytes and 3 or 0
  if result > 0 then
    if redis.call('HEXISTS', BODIES, id) == 1 then result = 1 end
  else
    order = order < now and now or order + 1
    local line = string.format('%.0f %.0f 0\\n', now, order - now)
    if redis.call('HSETNX', BODIES, id, line .. body) == 0 then
      result = 1
    else
      new[#new + 1] = id
      bytes = bytes + size
      if depth then depth = depth + 1 end
    end
  end
  results[#results + 1] = result
end
local all_accepted = #new == #results
if #new > 0 then
  redis.call('RPUSH', base .. ':fresh', unpack(new))
  if parked > now then redis.call('XADD', base .. ':wake', 'MAXLEN', 1, '*', 'w', '') end
  local opens = fresh + ranked == 0
  fresh = fresh + #new
  if opens then
    open_common()
    save_opening()
  else
    save_plain()
  end
end
return all_accepted and 0 or results
`
