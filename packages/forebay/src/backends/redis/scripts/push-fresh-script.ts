/**
 * Stores tasks that wish nothing but to run: no dedup id, delay, time to live, priority, order, line or cost of their own. It does
 * what push-script.ts does, which takes all others, in a third of its time.
 *
 * KEYS[1] the queue
 * ARGV[1] maxDepth, ARGV[2] maxBytes: -1 is none
 * ARGV[3, 4], ARGV[5, 6]...  for each its id and its body
 * Returns 0 if all are accepted; else for each 0 if it is, 1 duplicate, 2 full by depth, 3 full by bytes.
 */

import { PLAIN_QUEUE_PART, SAVE_OPENING, SAVE_PLAIN, SEND_WORD } from './queue-part.ts'

export const PUSH_FRESH_SCRIPT = `${PLAIN_QUEUE_PART}
local BODIES = base .. ':bodies'
local max_depth, max_bytes = ARGV[1] ~= '-1' and tonumber(ARGV[1]), ARGV[2] ~= '-1' and tonumber(ARGV[2])
local depth = max_depth and redis.call('HLEN', BODIES) - redis.call('ZCARD', base .. ':dead')
-- To write a number takes as long as a command: the clock's own digits are taken where they are queue time.
local time = offset == 0 and clock[1] .. string.sub('00000' .. clock[2], -6) or string.format('%.0f', now)
local new, results, at = {}, nil, 0
for i = 3, #ARGV, 2 do
  local id, body = ARGV[i], ARGV[i + 1]
  local size = #body - string.find(body, '\\n', 1, true)
  local result = depth and depth >= max_depth and 2 or max_bytes and bytes + size > max_bytes and 3 or 0
  if result > 0 then
    if redis.call('HEXISTS', BODIES, id) == 1 then result = 1 end
  else
    order = order < now and now or order + 1
    if redis.call('HSETNX', BODIES, id, time .. (order == now and ' 0' or ' ' .. order - now) .. ' 0\\n' .. body) == 0 then
      result = 1
    else
      new[#new + 1] = id
      bytes = bytes + size
      if depth then depth = depth + 1 end
    end
  end
  at = at + 1
  if result > 0 and not results then
    results = {}
    for before = 1, at - 1 do results[before] = 0 end
  end
  if results then results[at] = result end
end
if #new > 0 then
  redis.call('RPUSH', base .. ':fresh', unpack(new))
  if parked > now then ${SEND_WORD} end
  local opens = fresh + ranked == 0
  fresh = fresh + #new
  if opens then ${SAVE_OPENING} else ${SAVE_PLAIN} end
end
return results or 0
`
