-- What replicas share of budgets and rates, in one script: ARGV[1] says which part runs.
--
-- An account is a hash: b (first bucket it holds), S and R (spent and reserved in all), s:BUCKET and r:BUCKET.
-- A rolling window has buckets; a calendar window is one bucket. A call is a hash, too: where it has room
-- (ACCOUNT -> "BUCKET AMOUNT"), where it was booked (ACCOUNT -> "x"), and "." once it has ended.
-- Amounts are whole nano-USD: exact in a double up to nine million dollars.
--
-- Every part reads before it writes, and its first write is one that a full server refuses: so it happens as a
-- whole or not at all.

local ENDED_SECONDS = 900 -- how long a call that has ended is remembered

local function text(number) return string.format('%.0f', number) end
local function exact(number) return string.format('%.17g', number) end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function first_of_month(day)
  local of_era = (day + 719468) % 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  return day - (of_year - math.floor((153 * month + 2) / 5))
end

-- The bucket that a moment is in, the first one of its window, when that ends, and the seconds of a bucket.
local function window_at(window, moment)
  local count, unit = string.match(window, '^(%d+)([hd])$')
  if count then
    local length = tonumber(count) * (unit == 'h' and 3600 or 86400)
    local size = unit == 'h' and 60 or 3600
    return math.floor(moment / size) * size, math.floor((moment - length) / size) * size, moment + length, size
  end
  local day, start, ends = math.floor(moment / 86400), nil, nil
  if window == 'hour' then
    start = math.floor(moment / 3600) * 3600
    ends = start + 3600
  elseif window == 'day' then
    start, ends = day * 86400, (day + 1) * 86400
  elseif window == 'week' then
    start = (day - (day + 3) % 7) * 86400
    ends = start + 7 * 86400
  else
    local first = first_of_month(day)
    start, ends = first * 86400, first_of_month(first + 31) * 86400
  end
  return start, start, ends, 0
end

-- An account as it stands. What has left the window is taken off, in the hash only once it is written to.
local function opened(key, window, now)
  local bucket, start, ends, size = window_at(window, now)
  local found = redis.call('HMGET', key, 'b', 'S', 'R')
  local account = {
    key = key, window = window, bucket = bucket, start = start, ends = ends, size = size,
    spent = tonumber(found[2]) or 0, reserved = tonumber(found[3]) or 0, gone = {}, turned = true,
  }
  local first = tonumber(found[1])
  if not first then
    account.fresh = true
  elseif first >= start then -- the same window, or a clock that was set back: time only goes on
    account.start, account.bucket, account.turned = first, math.max(bucket, first), false
  else
    local last = size == 0 and first or start - size
    local fields = {}
    for each = first, last, size == 0 and 1 or size do
      fields[#fields + 1] = 's:' .. text(each)
      fields[#fields + 1] = 'r:' .. text(each)
      if #fields == 1000 or each == last then
        local amounts = redis.call('HMGET', key, unpack(fields))
        for at, amount in ipairs(amounts) do
          if amount then
            account.gone[#account.gone + 1] = fields[at]
            local total = at % 2 == 1 and 'spent' or 'reserved'
            account[total] = account[total] - tonumber(amount)
          end
        end
        fields = {}
      end
    end
  end
  return account
end

-- Writes what has changed since the account was last written to, before anything else is.
local function turn(account)
  if not account.turned then return end
  account.turned = false
  redis.call('HSET', account.key, 'b', text(account.start), 'S', text(account.spent), 'R', text(account.reserved))
  redis.call('EXPIRE', account.key, math.ceil(account.ends - account.start + 2 * account.size) + 86400)
  for _, field in ipairs(account.gone) do redis.call('HDEL', account.key, field) end
  if account.fresh then
    local generation, value = string.match(account.key, '^{gw}:a:([^:]+):(.*)$')
    redis.pcall('SADD', '{gw}:v:' .. generation, value) -- for those who list accounts; nothing hangs on it
    redis.pcall('EXPIRE', '{gw}:v:' .. generation, 100 * 86400)
  end
end

local function add(account, total, field, bucket, amount)
  turn(account)
  redis.call('HINCRBY', account.key, total, text(amount))
  redis.call('HINCRBY', account.key, field .. text(bucket), text(amount))
end

-- Raises an error where a key holds something else than an account, before anything is written.
local function check(first, last)
  for at = first, last do redis.call('HGET', KEYS[at], 'b') end
end

local function take(account, amount)
  add(account, 'R', 'r:', account.bucket, amount)
  account.reserved = account.reserved + amount
end

local function give_back(key, bucket, amount)
  local first = redis.pcall('HGET', key, 'b') -- an error: somebody else wrote over it, and it is made anew elsewhere
  if type(first) == 'string' and tonumber(first) <= bucket then
    redis.call('HINCRBY', key, 'R', text(0 - amount))
    redis.call('HINCRBY', key, 'r:' .. text(bucket), text(0 - amount))
  end
end

-- A rate's level: what is left of a minute's worth now.
local function level(key, full, now)
  local left, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
  left, at = tonumber(left) or full, tonumber(at) or now
  return {key = key, full = full, at = math.max(at, now), left = math.min(full, left + math.max(0, now - at) * full / 60)}
end

local function pour(of, amount)
  of.left = math.min(of.full, of.left - amount)
  local seconds = math.ceil((of.full - of.left) * 60 / of.full) + 60
  redis.call('SET', of.key, exact(of.left) .. ' ' .. exact(of.at), 'EX', text(seconds))
end

-- Reads ARGV one by one, from `at` on.
local function reader(at)
  return function()
    at = at + 1
    return ARGV[at - 1]
  end
end

local function told(answer, lines, levels)
  for _, line in ipairs(lines) do
    answer[#answer + 1] = line.account.spent
    answer[#answer + 1] = line.account.reserved
  end
  for _, each in ipairs(levels) do answer[#answer + 1] = exact(each.left) end
  return answer
end

-- The most that a line's account may hold once so much more is in it; nil: whatever it is.
local function ceiling(line, amount)
  if line.ceiling then return line.ceiling end
  local total = line.everyone.spent + line.everyone.reserved + amount
  if total < line.minimum then return nil end
  return math.floor(line.share * total)
end

local function grant(line, most, least)
  local used = line.account.spent + line.account.reserved
  if line.ceiling then
    local left = line.ceiling - used
    local half = math.max(0, math.floor(left / 2)) -- what costs nothing passes any budget
    if most <= half then return most end
    if least > left then return nil end
    return math.max(least, math.min(most, half))
  end
  for _, amount in ipairs({most, least}) do
    local may = ceiling(line, amount)
    if not may or amount <= may - used then return amount end
  end
  return nil
end

-- KEYS: call, the generation of each line, then for each line: account [, everyone]; then rates.
-- ARGV: most, least, requests, tokens, exempt line, lines, rates, then for each line: generation, window, ceiling,
-- share, minimum, enforced; for each rate: a minute, unit.
local function reserve()
  local argument = reader(2)
  local most, least = tonumber(argument()), tonumber(argument())
  local asked = {requests = tonumber(argument()), tokens = tonumber(argument())}
  local exempt, count, rates = tonumber(argument()), tonumber(argument()), tonumber(argument())
  local now, at, lines, accounts, order, levels = clock(), 2, {}, {}, {}, {}
  local function account(key, window)
    if not accounts[key] then
      accounts[key] = opened(key, window, now)
      order[#order + 1] = accounts[key]
    end
    return accounts[key]
  end
  local before = redis.call('HGETALL', KEYS[1])
  for at_field = 1, #before, 2 do
    if before[at_field] == '.' then return {'void'} end -- given back before it came
  end
  local marks = count > 0 and redis.call('MGET', unpack(KEYS, 2, 1 + count)) or {}
  at = at + count
  for number = 1, count do
    if marks[number] ~= argument() then return {'unknown'} end
    local window = argument()
    local line = {
      ceiling = tonumber(argument()), share = tonumber(argument()), minimum = tonumber(argument()),
      enforced = argument() == '1', account = account(KEYS[at], window),
    }
    at = at + 1
    if not line.ceiling then
      line.everyone = account(KEYS[at], window)
      at = at + 1
    end
    lines[number] = line
  end
  for number = 1, rates do
    local of = level(KEYS[at], tonumber(argument()), now)
    of.amount = asked[argument()]
    levels[number] = of
    at = at + 1
  end
  if #before > 0 then -- asked again: it has room
    local _, amount = string.match(before[2], '^(%S+) (%S+)$')
    return told({'ok', tonumber(amount), exact(now), ''}, lines, levels)
  end

  if asked.requests > 0 then
    local longest, which = 0, nil
    for number, each in ipairs(levels) do
      local missing = math.min(each.amount, each.full) - each.left
      local wait = missing * 60 / each.full
      if missing > 0 and wait > longest then longest, which = wait, number end
    end
    if which then return told({'soon', which, exact(longest)}, {}, levels) end
  end
  local granted, watched = most, {}
  for number, line in ipairs(lines) do
    if number ~= exempt then
      local may = grant(line, most, least)
      if line.enforced and not may then
        return told({'over', number, ceiling(line, least), exact(line.account.ends)}, lines, {})
      elseif line.enforced then
        granted = math.min(granted, may)
      elseif not may then
        watched[#watched + 1] = number
      end
    end
  end

  local seconds, fields = ENDED_SECONDS, {}
  for _, each in ipairs(order) do
    take(each, granted)
    fields[#fields + 1] = each.key
    fields[#fields + 1] = text(each.bucket) .. ' ' .. text(granted)
    seconds = math.max(seconds, each.ends - now + 2 * each.size)
  end
  if #order > 0 then
    redis.call('HSET', KEYS[1], unpack(fields))
    redis.call('EXPIRE', KEYS[1], math.ceil(seconds))
  end
  for _, each in ipairs(levels) do pour(each, each.amount) end
  return told({'ok', granted, exact(now), table.concat(watched, ' ')}, lines, levels)
end

-- Puts a reservation back that accounts have lost or never heard of.
-- KEYS: call, accounts. ARGV: amount, moment, then the window of each account.
local function put()
  local now = clock()
  local amount, moment = tonumber(ARGV[2]), math.min(tonumber(ARGV[3]), now)
  if redis.call('HEXISTS', KEYS[1], '.') == 1 then return 0 end
  check(2, #KEYS)
  for at = 2, #KEYS do
    if redis.call('HEXISTS', KEYS[1], KEYS[at]) == 0 then
      local window = ARGV[at + 2]
      local account, bucket = opened(KEYS[at], window, now), window_at(window, moment)
      if bucket >= account.start then
        add(account, 'R', 'r:', bucket, amount)
        redis.call('HSET', KEYS[1], KEYS[at], text(bucket) .. ' ' .. text(amount))
        local seconds = math.ceil(math.max(ENDED_SECONDS, account.ends - now + 2 * account.size))
        redis.call('EXPIRE', KEYS[1], math.max(seconds, redis.call('TTL', KEYS[1])))
      end
    end
  end
  return 1
end

-- Gives back all that a call has room for, and books what it came to, in each account once. Returns what of that
-- is beyond ceilings.
-- KEYS: call, accounts, token rates. ARGV: cost, granted, moment, tokens more than expected, only if known, accounts,
-- then for each account: window, ceiling; for each rate: a minute.
local function settle()
  local argument = reader(2)
  local now, cost, granted = clock(), tonumber(argument()), tonumber(argument())
  local moment, tokens = math.min(tonumber(argument()), now), tonumber(argument())
  local only_known, count, known = argument() == '1', tonumber(argument()), {}
  local fields = redis.call('HGETALL', KEYS[1])
  if #fields == 0 and only_known then return 0 end
  check(2, count + 1)
  for at = count + 2, #KEYS do redis.call('GET', KEYS[at]) end
  for at = 1, #fields, 2 do known[fields[at]] = fields[at + 1] end
  local ended = known['.']
  local buckets, gone, marks, beyond = {}, {}, {'.', '1'}, 0
  redis.call('HSET', KEYS[1], '.', '1')
  for key, state in pairs(known) do
    local bucket, amount = string.match(state, '^(%S+) (%S+)$')
    if bucket then
      buckets[key] = tonumber(bucket)
      give_back(key, buckets[key], tonumber(amount))
      gone[#gone + 1] = key
    end
  end
  for number = 1, count do
    local key, window, limit = KEYS[number + 1], argument(), tonumber(argument())
    if cost > 0 and known[key] ~= 'x' then
      local account, bucket = opened(key, window, now), buckets[key] or window_at(window, moment)
      if bucket >= account.start then
        add(account, 'S', 's:', bucket, cost)
        if limit and cost > granted then
          local over = account.spent + cost + account.reserved - limit
          beyond = beyond + math.max(0, math.min(over, cost - granted))
        end
      end
      marks[#marks + 1] = key
      marks[#marks + 1] = 'x'
    end
  end
  if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
  redis.call('HSET', KEYS[1], unpack(marks))
  redis.call('EXPIRE', KEYS[1], ENDED_SECONDS)
  if not ended then
    for at = count + 2, #KEYS do
      local of = level(KEYS[at], tonumber(argument()), moment)
      pour(of, tokens)
    end
  end
  return beyond
end

-- Leaves a call that is under way no more room than an amount, wherever it has some. KEYS: call. ARGV: amount.
local function shrink()
  local fields, amount = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[2])
  for at = 1, #fields, 2 do
    local bucket, taken = string.match(fields[at + 1], '^(%S+) (%S+)$')
    if bucket and tonumber(taken) > amount then
      give_back(fields[at], tonumber(bucket), tonumber(taken) - amount)
      redis.call('HSET', KEYS[1], fields[at], bucket .. ' ' .. text(amount))
    end
  end
  return 1
end

-- KEYS: accounts, rates. ARGV: accounts, then the window of each; for each rate: a minute.
local function read()
  local now, count, answer = clock(), tonumber(ARGV[2]), {}
  for at = 1, #KEYS do
    if at <= count then
      local account = opened(KEYS[at], ARGV[at + 2], now)
      answer[#answer + 1] = account.spent
      answer[#answer + 1] = account.reserved
    else
      answer[#answer + 1] = exact(level(KEYS[at], tonumber(ARGV[at + 2]), now).left)
    end
  end
  return answer
end

-- A sign of life. KEYS: replicas, epoch, what they say. ARGV: who, seconds that a sign counts, what that one says of
-- itself. Returns the time, how many live, whose server this was when its accounts were made, and of a hundred of those
-- that live: who, when, and what they say.
local function beat()
  local now, epoch = clock(), redis.call('GET', KEYS[2])
  redis.call('HLEN', KEYS[3]) -- an error where it is of another kind
  redis.call('ZADD', KEYS[1], exact(now), ARGV[2])
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
  local past = exact(now - tonumber(ARGV[3]))
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', past)) do redis.call('HDEL', KEYS[3], gone) end
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', past)
  local answer = {exact(now), redis.call('ZCARD', KEYS[1]), epoch}
  local signs = redis.call('ZREVRANGE', KEYS[1], 0, 99, 'WITHSCORES')
  for at = 1, #signs, 2 do
    answer[#answer + 1] = signs[at]
    answer[#answer + 1] = signs[at + 1]
    answer[#answer + 1] = redis.call('HGET', KEYS[3], signs[at]) or ''
  end
  return answer
end

-- Lets one at a time make accounts. KEYS: lock. ARGV: who, milliseconds that it holds. Returns whether it is theirs:
-- it may have been already, where nobody heard the answer.
local function lock()
  local holder = redis.pcall('GET', KEYS[1]) -- an error: somebody else wrote over it
  if type(holder) == 'string' and holder ~= ARGV[2] then return 0 end
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end

-- KEYS: lock. ARGV: whose it has to be.
local function unlock()
  local holder = redis.pcall('GET', KEYS[1])
  if holder == ARGV[2] then redis.call('DEL', KEYS[1]) end
  return 1
end

-- The reading of windows, for a test. ARGV: window, moment.
local function window()
  local bucket, start, ends, size = window_at(ARGV[2], tonumber(ARGV[3]))
  return {exact(bucket), exact(start), exact(ends), exact(size)}
end

local parts = {
  reserve = reserve, put = put, settle = settle, shrink = shrink, read = read, beat = beat, lock = lock, unlock = unlock, window = window,
}
return parts[ARGV[1]]()
