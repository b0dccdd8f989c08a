-- Counts a queue without reading its flags.
--
-- KEYS[1] prefix   ARGV[1] number of severities, then these, then the edges of the age buckets
-- in ms, growing
-- returns {now ms, ready, leased, lapsed (leases that ran out, not yet given back), parked,
--          escalated, handed, decided, overdue, oldest due ms or '',
--          then for each severity the count of each bucket, one more than there are edges}

local prefix, now = KEYS[1], now_ms()
local held = redis.call('ZCOUNT', prefix .. 'leased', '(' .. now, '+inf')
local reply = {now, redis.call('ZCARD', prefix .. 'ready'), held,
  redis.call('ZCARD', prefix .. 'leased') - held}
for _, name in ipairs({'parked', 'escalated', 'handed'}) do
  reply[#reply + 1] = redis.call('ZCARD', prefix .. name)
end
reply[#reply + 1] = tonumber(redis.call('HGET', prefix .. 'totals', 'decided') or 0)

local overdue, oldest = 0, ''
for _, name in ipairs({'ready', 'escalated', 'handed'}) do
  overdue = overdue + redis.call('ZCOUNT', prefix .. name, '-inf', now)
  local first = redis.call('ZRANGE', prefix .. name, 0, 0, 'WITHSCORES')
  if first[2] and (oldest == '' or tonumber(first[2]) < tonumber(oldest)) then oldest = first[2] end
end
reply[#reply + 1] = overdue
reply[#reply + 1] = oldest

for i = 2, 1 + ARGV[1] do
  local key, newest = prefix .. 'ready:since:' .. ARGV[i], '+inf'
  for edge = 2 + ARGV[1], #ARGV do
    local since = now - ARGV[edge]
    reply[#reply + 1] = redis.call('ZCOUNT', key, '(' .. since, newest)
    newest = since
  end
  reply[#reply + 1] = redis.call('ZCOUNT', key, '-inf', newest)
end
return reply
