-- Gives a reviewer the flag that is due first, under a lease.
--
-- KEYS[1] prefix
-- ARGV[1] reviewer   ARGV[2] lease, ms   ARGV[3] expiries that park a flag
-- ARGV[4] how many of a pool are looked at in one go   ARGV[5] longest lease there is, ms
-- ARGV[6] number of pools, then these in the order they are tried, then policies not wanted
-- returns {flag id, epoch, lease end ms, flag JSON} or false when nothing waits

local prefix, reviewer = KEYS[1], ARGV[1]
local length = math.min(tonumber(ARGV[2]), tonumber(ARGV[5]))
local page = tonumber(ARGV[4])
local PAGES = 20
-- How long a flag waits for the one person it was sent to.
local HANDED_MS = 15 * 60 * 1000
local now = now_ms()
local pools, may, without, picky = {}, {}, {}, false
for i = 7, 6 + ARGV[6] do
  pools[#pools + 1] = ARGV[i]
  may[ARGV[i]] = true
end
for i = 7 + ARGV[6], #ARGV do
  without[ARGV[i]] = true
  picky = true
end

local function expire(id)
  local flag = prefix .. 'f:' .. id
  local held = redis.call('HGET', flag, 'owner')
  give_back(prefix, flag, id)
  note(prefix, 'expired', id, 'reviewer', held or '')
  if redis.call('HINCRBY', flag, 'expiries', 1) >= tonumber(ARGV[3]) then
    take_out(prefix, flag, id)
    set_aside(prefix, flag, id, 'queue', 'its lease ran out too often')
  end
end

-- Leases that ran out go back first, at their old due time; and those that no clock could have
-- given: the server's was set back.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leased', '-inf', now, 'LIMIT', 0, 50)) do
  expire(id)
end
local beyond = '(' .. now + tonumber(ARGV[5])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leased', beyond, '+inf', 'LIMIT', 0, 50)) do
  expire(id)
end

-- What somebody was sent by name and did not take up goes back to all: they may have left, or may not
-- be given it.
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'handed', 0, 19)) do
  local flag = prefix .. 'f:' .. id
  local found = redis.call('HMGET', flag, 'handed_at', 'escalated')
  if now - tonumber(found[1] or 0) > HANDED_MS then
    local to = found[2] and 'escalated' or 'ready'
    unpool(prefix, flag, id)
    redis.call('HSET', flag, 'pool', to)
    pool(prefix, flag, id)
    note(prefix, 'move', id, 'to', to, 'by', 'queue', 'because', 'not taken up by name')
  end
end

-- Whether this reviewer may be given a flag: never one that they handed on or gave a verdict of,
-- unless it was sent to them by name.
local function suits(name, id)
  local found = redis.call('HMGET', prefix .. 'f:' .. id, 'policy', 'escalated', 'req:' .. reviewer)
  if found[2] and not may.escalated then return false end
  if picky and without[found[1] or ''] then return false end
  if found[3] and name ~= 'to:' .. reviewer then return false end
  return redis.call('SISMEMBER', prefix .. 'skip:' .. id, reviewer) == 0
end

-- A refreshed page or a second tab gets the same flag, as long as its reviewer may see it.
local own = redis.call('HGET', prefix .. 'own', reviewer)
if own then
  local flag = prefix .. 'f:' .. own
  local expiry = redis.call('ZSCORE', prefix .. 'leased', own)
  if not expiry or redis.call('HGET', flag, 'owner') ~= reviewer then
    redis.call('HDEL', prefix .. 'own', reviewer)
  elseif tonumber(expiry) <= now then
    expire(own)
  elseif suits('to:' .. reviewer, own) then
    local found = redis.call('HMGET', flag, 'epoch', 'json')
    return {own, tonumber(found[1]), tonumber(expiry), found[2]}
  else
    let_go(prefix, flag, own)
    note(prefix, 'release', own, 'reviewer', reviewer, 'because', 'not theirs any more')
  end
end

-- Where to look: with policies left out, among the others' own lists, so that a long queue of what
-- is not wanted costs nothing.
local function sources(name)
  if name ~= 'ready' or not picky then return {prefix .. name} end
  local found = {}
  for _, policy in ipairs(redis.call('SMEMBERS', prefix .. 'kinds')) do
    if not without[policy] then found[#found + 1] = prefix .. 'ready:policy:' .. policy end
  end
  return found
end

local function candidates(keys, first)
  local found = {}
  for _, key in ipairs(keys) do
    local reply = redis.call('ZRANGE', key, first, first + page - 1, 'WITHSCORES')
    for i = 1, #reply, 2 do found[#found + 1] = {reply[i], tonumber(reply[i + 1])} end
  end
  table.sort(found, function(a, b)
    if a[2] == b[2] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return found
end

for _, name in ipairs(pools) do
  local keys = sources(name)
  for number = 0, PAGES - 1 do
    local found = candidates(keys, number * page)
    if #found == 0 then break end
    for _, entry in ipairs(found) do
      local id = entry[1]
      if suits(name, id) then
        local flag = prefix .. 'f:' .. id
        unpool(prefix, flag, id)
        local epoch = lease(prefix, flag, id, reviewer, now, now + length)
        note(prefix, 'claim', id, 'reviewer', reviewer, 'epoch', epoch)
        return {id, epoch, now + length, redis.call('HGET', flag, 'json')}
      end
    end
  end
end
return false
