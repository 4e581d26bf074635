-- Decides on all asks of a request at once: all are counted, or none is. The rules are those of
-- crates/keyward-routes/src/window.rs, and a test compares the two.
--
-- `now` stands above: milliseconds since the epoch, by Redis's own clock.
-- KEYS[i] is a counter; ARGV has five numbers for each: the limit, the window in milliseconds, 1 if it slides, the amount, and
-- 1 if the amount is to be counted.
-- A counter holds "number current previous window". Returned is `now`, and number, current and previous of each, before
-- anything was counted.
--
-- `product` is product.lua's. No number here is above 2 * 10^12.

local held = redis.call('MGET', unpack(KEYS))
local answer, counters, fits = { now }, {}, true
for i = 1, #KEYS do
  local at = (i - 1) * 5
  local limit, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local slides, amount = ARGV[at + 3] == '1', tonumber(ARGV[at + 4])
  local number, current, previous = math.floor(now / window), 0, 0
  local n, c, p, w
  if held[i] then
    n, c, p, w = string.match(held[i], '^(%d+) (%d+) (%d+) (%d+)$')
  end
  -- Another window than the counter was made for: what was counted says nothing of it.
  if n and tonumber(w) == window then
    n, c, p = tonumber(n), tonumber(c), tonumber(p)
    if n >= number then
      current, previous = c, p
      -- The clock was set back: by a little, the window that was begun goes on.
      if n > number and n * window - now <= math.max(window, 10000) then
        number = n
      end
    elseif number - n == 1 then
      previous = c
    end
  end
  local left = (number + 1) * window - now
  local shared = 0
  if slides then
    shared = product(math.min(left, window), previous, window)
  end
  if shared + current + amount > limit then
    fits = false
  end
  answer[#answer + 1] = number
  answer[#answer + 1] = current
  answer[#answer + 1] = previous
  local lives = left
  if slides then
    lives = left + window
  end
  counters[i] = {
    string.format('%.0f %.0f %.0f %.0f', number, current + amount, previous, window),
    string.format('%.0f', math.max(lives, 1)),
  }
end
if fits then
  for i = 1, #KEYS do
    if ARGV[i * 5] == '1' then
      redis.call('SET', KEYS[i], counters[i][1], 'PX', counters[i][2])
    end
  end
end
return answer
