-- Gives a reviewer the flag that is due first, under a lease.
--
-- KEYS[1] prefix
-- ARGV[1] reviewer   ARGV[2] lease, ms   ARGV[3] expiries that park a flag   ARGV[4] now-or-never:
--         how many of a pool are looked at   ARGV[5...] pools in the order they are tried
-- returns {flag id, epoch, lease end ms, flag JSON} or false when nothing waits

local prefix, reviewer, lease = KEYS[1], ARGV[1], tonumber(ARGV[2])
local now = now_ms()

-- Leases that ran out go back first, at their old due time.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leased', '-inf', now, 'LIMIT', 0, 50)) do
  local flag = prefix .. 'f:' .. id
  local held = redis.call('HGET', flag, 'owner')
  give_back(prefix, flag, id)
  local expiries = redis.call('HINCRBY', flag, 'expiries', 1)
  note(prefix, 'expired', id, 'reviewer', held or '')
  if expiries >= tonumber(ARGV[3]) then
    redis.call('ZREM', pool_key(prefix, flag), id)
    redis.call('ZADD', prefix .. 'parked', now, id)
    redis.call('HSET', flag, 'state', 'parked', 'parked_because', 'its lease ran out too often')
    note(prefix, 'park', id, 'because', 'expiries')
  end
end

-- A refreshed page or a second tab gets the same flag.
local own = redis.call('HGET', prefix .. 'own', reviewer)
if own then
  local flag = prefix .. 'f:' .. own
  local expiry = redis.call('ZSCORE', prefix .. 'leased', own)
  if expiry and redis.call('HGET', flag, 'owner') == reviewer then
    local found = redis.call('HMGET', flag, 'epoch', 'json')
    return {own, tonumber(found[1]), tonumber(expiry), found[2]}
  end
  redis.call('HDEL', prefix .. 'own', reviewer)
end

for p = 5, #ARGV do
  local pool = prefix .. ARGV[p]
  for _, id in ipairs(redis.call('ZRANGE', pool, 0, tonumber(ARGV[4]) - 1)) do
    if redis.call('SISMEMBER', prefix .. 'skip:' .. id, reviewer) == 0 then
      local flag = prefix .. 'f:' .. id
      redis.call('ZREM', pool, id)
      local epoch = redis.call('HINCRBY', flag, 'epoch', 1)
      redis.call('ZADD', prefix .. 'leased', now + lease, id)
      redis.call('HSETNX', flag, 't_claim_first', now)
      redis.call('HSET', flag, 'state', 'leased', 'owner', reviewer, 't_claim_last', now)
      redis.call('HSET', prefix .. 'own', reviewer, id)
      note(prefix, 'claim', id, 'reviewer', reviewer, 'epoch', epoch)
      return {id, epoch, now + lease, redis.call('HGET', flag, 'json')}
    end
  end
end
return false
