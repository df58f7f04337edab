/**
 * Cells of text that all consumers of a queue keep together: read, and compare and set.
 *
 * A cell is kept with the queue time at which it was last set, and its time never goes back.
 */

import { QUEUE_PART } from './queue-part.ts'

/**
 * KEYS[1] the queue
 * ARGV[1] the cell's name
 * Returns `[queue time in microseconds, content]`; without a content if there is none.
 */
export const READ_CELL_SCRIPT = `${QUEUE_PART}
return { string.format('%.0f', now), redis.call('GET', base .. ':cell:' .. ARGV[1]) }
`

/**
 * KEYS[1] the queue
 * ARGV[1] the cell's name
 * ARGV[2] what it must hold; '' if nothing
 * ARGV[3] what it shall hold
 * Returns `[]` if it was set, else what the script above returns.
 */
export const SET_CELL_SCRIPT = `${QUEUE_PART}
local cell = base .. ':cell:' .. ARGV[1]
local content = redis.call('GET', cell)
if (content or '') ~= ARGV[2] then return { string.format('%.0f', now), content } end
redis.call('SET', cell, ARGV[3])
save()
return {}
`
