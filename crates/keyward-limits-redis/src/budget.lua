-- Counters of budgets. The rules are those of crates/keyward-routes/src/budget/ and grid.rs, and a test compares the two.
--
-- `now` and `product` stand above. A counter is a hash: `w` is the code of its window and `n` the number of the one that was
-- begun, `c` and `p` what was spent in it and in the one before, `r` and `q` what is reserved in them, and `e` a moment before
-- which nothing reserved expires. Each reservation is a field by its 32 digits: "number estimate expires". Amounts are
-- billionths of a dollar, and end at MOST.

local MOST = 9e15
local DAY = 86400000

local function div(a, b)
  return math.floor(a / b)
end

-- How long windows are and how long after the epoch one began, in milliseconds; nothing for months.
local function grid(code)
  local seconds = string.match(code, '^[fs](%d+)$')
  if seconds then
    return tonumber(seconds) * 1000, 0
  elseif code == 'day' then
    return DAY, 0
  elseif code == 'week' then
    return 7 * DAY, 4 * DAY
  end
end

local function number_at(code, at)
  local length, since = grid(code)
  if length then
    local before = since > 0 and length - since or 0
    return div(at + before, length)
  end
  local day = div(at, DAY) + 719468
  local era = div(day, 146097)
  day = day - era * 146097
  local year = div(day - div(day, 1460) + div(day, 36524) - div(day, 146096), 365)
  day = day - (365 * year + div(year, 4) - div(year, 100))
  return (era * 400 + year) * 12 + div(5 * day + 2, 153) - 23638
end

local function begins_at(code, number)
  local length, since = grid(code)
  if length then
    local before = since > 0 and length - since or 0
    return math.max(number * length - before, 0)
  end
  local months = number + 23638
  local year = div(months, 12)
  local month = months - year * 12
  local era = div(year, 400)
  year = year - era * 400
  local days = 365 * year + div(year, 4) - div(year, 100) + div(153 * month + 2, 5)
  return (era * 146097 + days - 719468) * DAY
end

local function whole(number)
  return string.format('%.0f', number)
end

local function fresh(key, code, number)
  return { key = key, w = code, n = number, c = 0, p = 0, r = 0, q = 0, e = MOST }
end

-- From when on nothing of a counter matters.
local function past_at(counter)
  return begins_at(counter.w, counter.n + 2)
end

local function save(counter)
  redis.call('HSET', counter.key, 'w', counter.w, 'n', whole(counter.n), 'c', whole(counter.c), 'p', whole(counter.p),
    'r', whole(counter.r), 'q', whole(counter.q), 'e', whole(counter.e))
  redis.call('PEXPIRE', counter.key, whole(math.max(past_at(counter) - now, 1)))
end

-- Adds to what is in `current` or `previous`, if that still matters. A later window is the one that runs: the clock was set
-- back since.
local function add_in(counter, current, previous, number, amount)
  local field
  if number >= counter.n then
    field = current
  elseif counter.n - number == 1 then
    field = previous
  else
    return
  end
  counter[field] = math.min(math.max(counter[field] + amount, 0), MOST)
end

local function parse(text)
  local number, estimate, expires = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(number), tonumber(estimate), tonumber(expires)
end

-- Frees what expired.
local function release(counter)
  if now < counter.e then
    return
  end
  local earliest, expired = MOST, {}
  local held = redis.call('HGETALL', counter.key)
  for i = 1, #held, 2 do
    if #held[i] == 32 then
      local number, estimate, expires = parse(held[i + 1])
      if number and now < expires then
        earliest = math.min(earliest, expires)
      else
        expired[#expired + 1] = held[i]
        if number then
          add_in(counter, 'r', 'q', number, -estimate)
        end
      end
    end
  end
  for i = 1, #expired do
    redis.call('HDEL', counter.key, expired[i])
  end
  counter.e = earliest
  save(counter)
end

-- A counter as it was left; nothing where there is none.
local function find(key)
  local held = redis.pcall('HMGET', key, 'w', 'n', 'c', 'p', 'r', 'q', 'e')
  if held.err then
    -- It is no hash; else Redis says once more why this cannot be.
    if not string.find(held.err, 'WRONGTYPE', 1, true) then
      redis.call('HMGET', key, 'w')
    end
    redis.call('DEL', key)
    return nil
  end
  if not held[1] then
    return nil
  end
  local counter = { key = key, w = held[1] }
  for i, field in ipairs({ 'n', 'c', 'p', 'r', 'q', 'e' }) do
    counter[field] = held[i + 1] and string.match(held[i + 1], '^%d+$') and tonumber(held[i + 1])
    if not counter[field] then
      redis.call('DEL', key)
      return nil
    end
  end
  release(counter)
  return counter
end

-- A counter as it stands now, for a budget with such windows.
local function at(counter, key, code)
  local number = number_at(code, now)
  if not counter or counter.w ~= code then
    return fresh(key, code, number)
  end
  local n = counter.n
  if n > number then
    -- The clock was set back: by a little, the window that was begun goes on.
    local begins = begins_at(code, n)
    local length = begins_at(code, n + 1) - begins
    if begins - now > math.max(length, 10000) then
      counter.n = number
    end
  elseif n < number then
    local is_next = number - n == 1
    counter.p, counter.q = is_next and counter.c or 0, is_next and counter.r or 0
    counter.n, counter.c, counter.r = number, 0, 0
  end
  return counter
end

-- What was spent and what is reserved.
local function stands(counter)
  if string.sub(counter.w, 1, 1) ~= 's' then
    return counter.c, counter.r
  end
  local length = grid(counter.w)
  local overlap = math.min(begins_at(counter.w, counter.n + 1) - now, length)
  return counter.c + product(overlap, counter.p, length), counter.r + product(overlap, counter.q, length)
end

local function hold(counter, id, number, estimate, expires)
  redis.call('HSET', counter.key, id, whole(number) .. ' ' .. whole(estimate) .. ' ' .. whole(expires))
  counter.e = math.min(counter.e, expires)
end

