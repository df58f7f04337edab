/** The limits of each key, as a claim sets them: see flow/key-limits.ts. */
export const LIMITS_PART = `
local OPENED_AT_ONCE = 1000

local function next_after_change(next_at, rate)
  return rate > 0 and math.min(next_at, now + 1000000 / rate) or next_at
end

-- Whether these limits would open a line that is closed, or bring its time nearer.
local function would_matter(line, concurrency, rate)
  if next_after_change(line.next_at, rate) < line.next_at then return true end
  if line.ready == 0 or concurrency > 0 and line.in_flight >= concurrency then return false end
  return rate == 0 or line.next_at <= now
end

local function limited_lines()
  local limited = {}
  for _, set in ipairs({ PENDING, SATURATED, RESTING }) do
    for _, line in ipairs(lines_in(set, 0)) do limited[#limited + 1] = line end
  end
  table.sort(limited, function(a, b) return a.entered < b.entered end)
  return limited
end

local function change_limits(concurrency, rate)
  flush_lines()
  local limited = limited_lines()
  -- Limits under which nothing can be granted do not displace those of others.
  local matters = open_lines > 0
  for _, line in ipairs(limited) do matters = matters or would_matter(line, concurrency, rate) end
  if not matters then return end
  key_concurrency, key_rate = concurrency, rate
  for _, line in ipairs(limited) do
    line.next_at = next_after_change(line.next_at, rate)
    settle_line(line)
  end
end

-- Sets the keys' limits, and opens what a limit or a time has kept closed until now.
local function set_limits(concurrency, rate)
  if concurrency ~= key_concurrency or rate ~= key_rate then change_limits(concurrency, rate) end
  if lines == 0 or key_rate == 0 then return end
  flush_lines()
  for _, line in ipairs(lines_in(PENDING, OPENED_AT_ONCE, now)) do settle_line(line) end
end
`
