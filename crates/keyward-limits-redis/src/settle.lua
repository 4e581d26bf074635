-- Settles and renews reservations, each batch once.
--
-- KEYS[1] holds the number of the last batch that this instance had carried out: one that is sent again, since its answer was
-- lost, does nothing. ARGV[1] is the number of this one. Every other key is a counter with six arguments: 1 to settle and 0 to
-- renew, the reservation's 32 digits, the code of the window and its number in which was reserved, the estimate, and the cost
-- or for how many milliseconds it lasts.
-- Returned is `now`.

if (tonumber(redis.call('GET', KEYS[1]) or '0') or 0) >= tonumber(ARGV[1]) then
  return { now }
end
for i = 2, #KEYS do
  local arg = (i - 2) * 6 + 2
  local settles, id, code = ARGV[arg] == '1', ARGV[arg + 1], ARGV[arg + 2]
  local number, estimate, amount = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5])
  local found = find(KEYS[i])
  local counter = found or fresh(KEYS[i], code, number)
  -- One that is not there any more and would not matter is not made.
  if found or past_at(counter) > now then
    local held = redis.call('HGET', KEYS[i], id)
    if settles then
      if held then
        local n, reserved = parse(held)
        if n then
          add_in(counter, 'r', 'q', n, -reserved)
        end
        redis.call('HDEL', KEYS[i], id)
      end
      if counter.w == code then
        add_in(counter, 'c', 'p', number, amount)
      end
      save(counter)
    elseif held then
      local n, reserved = parse(held)
      hold(counter, id, n, reserved, now + amount)
      save(counter)
    elseif counter.w == code then
      add_in(counter, 'r', 'q', number, estimate)
      hold(counter, id, number, estimate, now + amount)
      save(counter)
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', '86400000')
return { now }
