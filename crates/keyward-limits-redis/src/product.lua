-- Lua counts in doubles, which are exact up to 2^53. No number here is above that but the products in `product`.

-- a * b / c, rounded up, by long division in base 4096: no step leaves what a double can hold.
local function product(a, b, c)
  local limbs = {}
  while b > 0 do
    local low = b % 4096
    limbs[#limbs + 1] = low
    b = (b - low) / 4096
  end
  local quotient, rest = 0, 0
  for i = #limbs, 1, -1 do
    local step = rest * 4096 + limbs[i] * a
    rest = math.fmod(step, c)
    quotient = quotient * 4096 + (step - rest) / c
  end
  if rest > 0 then
    quotient = quotient + 1
  end
  return quotient
end

