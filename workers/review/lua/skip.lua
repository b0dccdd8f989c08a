-- Hands a flag on: the reviewer never gets it again; others do, at its old due time.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] why
-- returns 'ok' | 'stale' | 'missing' | 'decided'

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local no = denied(flag, ARGV[2], ARGV[3])
if no then return no end
give_back(prefix, flag, id)
redis.call('SADD', prefix .. 'skip:' .. id, ARGV[2])
note(prefix, 'skip', id, 'reviewer', ARGV[2], 'because', ARGV[4])
return 'ok'
