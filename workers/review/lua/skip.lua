-- Hands a flag on: the reviewer is not offered it again; others are, at its old due time. What
-- nobody wants is set aside for a supervisor, so that it is not forgotten.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] why
-- ARGV[5] skips that park a flag
-- returns 'ok' | 'stale' | 'missing' | 'decided'

local prefix, id, reviewer = KEYS[1], ARGV[1], ARGV[2]
local flag = prefix .. 'f:' .. id
local no = denied(flag, reviewer, ARGV[3])
if no then return no end
take_out(prefix, flag, id)
redis.call('SADD', prefix .. 'skip:' .. id, reviewer)
note(prefix, 'skip', id, 'reviewer', reviewer, 'because', ARGV[4])
-- Sent by name and not wanted: everybody may take it now.
if redis.call('HGET', flag, 'pool') == 'to:' .. reviewer then
  redis.call('HSET', flag, 'pool', redis.call('HEXISTS', flag, 'escalated') == 1 and 'escalated' or 'ready')
end
local skips = redis.call('SCARD', prefix .. 'skip:' .. id)
if skips >= tonumber(ARGV[5]) then
  set_aside(prefix, flag, id, 'queue', 'skipped by ' .. skips .. ' people')
else
  pool(prefix, flag, id)
end
return 'ok'
