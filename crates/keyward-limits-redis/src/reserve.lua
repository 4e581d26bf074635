-- Reserves in all budgets of a request at once, or in none; or only looks.
--
-- KEYS[i] is a counter. ARGV is 1 where something is to be reserved, the reservation's 32 digits and for how many milliseconds
-- it lasts, and for each counter: the code of its window, the limit, the estimate, and 1 if the estimate is to be reserved.
-- Returned is `now`, 1 if there is room in all, and number, spent, spent before, reserved and reserved before of each, before
-- anything was reserved.

local reserves, id, expires = ARGV[1] == '1', ARGV[2], now + tonumber(ARGV[3])
local answer, counters, fits = { now, 1 }, {}, true
for i = 1, #KEYS do
  local arg = i * 4
  local code, limit, estimate = ARGV[arg], tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local found = find(KEYS[i])
  local is_other = found and found.w ~= code
  local counter = at(found, KEYS[i], code)
  counter.is_other = is_other
  local spent, reserved = stands(counter)
  if spent + reserved + estimate > limit and (reserved > 0 or spent >= limit) then
    fits = false
  end
  for _, field in ipairs({ 'n', 'c', 'p', 'r', 'q' }) do
    answer[#answer + 1] = counter[field]
  end
  counters[i] = counter
end
if not fits then
  answer[2] = 0
elseif reserves then
  for i = 1, #KEYS do
    local counter, estimate = counters[i], tonumber(ARGV[i * 4 + 2])
    if ARGV[i * 4 + 3] == '1' then
      -- What was counted in other windows says nothing of these.
      if counter.is_other then
        redis.call('DEL', counter.key)
      end
      add_in(counter, 'r', 'q', counter.n, estimate)
      hold(counter, id, counter.n, estimate, expires)
      save(counter)
    end
  end
end
return answer
